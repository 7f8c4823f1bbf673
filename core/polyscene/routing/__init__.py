"""Routing: recognizing which scenario a row belongs to, for rows that do not say."""

from __future__ import annotations

from polyscene.registry.components import Component
from polyscene.routing.recognition import Recognition, RecognitionConfig
from polyscene.routing.router import (
    LABEL,
    RECOGNITION,
    Route,
    Router,
    check_route,
    check_worth_routing,
    no_router,
)

COMPONENTS = [
    Component("router", "none", no_router),
    Component("router", "recognition", Recognition, RecognitionConfig),
]

__all__ = ["COMPONENTS", "LABEL", "RECOGNITION", "Route", "Router", "check_route", "check_worth_routing"]
