"""The routes, by what they are about."""

from __future__ import annotations

from polyscene.serving.routes import (
    experiments,
    feedback,
    health,
    items,
    models,
    page,
    recommend,
    scenarios,
    users,
)

ROUTERS = (
    recommend.router,
    items.router,
    feedback.router,
    scenarios.router,
    experiments.router,
    models.router,
    users.router,
    users.history,
    health.router,
    page.router,
)

__all__ = ["ROUTERS"]
