"""The routes, by what they are about."""

from __future__ import annotations

from polyscene.serving.routes import feedback, health, items, models, recommend, scenarios, users

ROUTERS = tuple(module.router for module in (recommend, items, feedback, scenarios, models, users, health))

__all__ = ["ROUTERS"]
