"""Priors: what counting knows, as scores beside the network's through learned gates."""

from __future__ import annotations

from polyscene.priors import (
    co_occurrence,
    content,
    linear,
    personal_frequency,
    random_walk,
    recent_popularity,
    shared_facts,
    similarity,
    social_neighbors,
)
from polyscene.priors.prior import Prior, PriorConfig, PriorData

COMPONENTS = [
    module.COMPONENT
    for module in (
        co_occurrence,
        content,
        linear,
        personal_frequency,
        random_walk,
        recent_popularity,
        shared_facts,
        similarity,
        social_neighbors,
    )
]

__all__ = ["COMPONENTS", "Prior", "PriorConfig", "PriorData"]
