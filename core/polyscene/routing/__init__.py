"""Routing: recognizing which scenario a row belongs to, for rows that do not say."""

from __future__ import annotations

from polyscene.registry.components import Component
from polyscene.routing.recognition import Recognition, RecognitionConfig
from polyscene.routing.router import (
    LABEL,
    NO_ROUTER,
    RECOGNITION,
    Route,
    Router,
    check_worth_routing,
    mean_so_far,
    no_router,
    no_router_error,
    taken,
)

COMPONENTS = [
    Component("router", NO_ROUTER, no_router),
    Component("router", "recognition", Recognition, RecognitionConfig),
]

__all__ = [
    "COMPONENTS",
    "LABEL",
    "NO_ROUTER",
    "RECOGNITION",
    "Route",
    "Router",
    "check_worth_routing",
    "mean_so_far",
    "no_router_error",
    "taken",
]
