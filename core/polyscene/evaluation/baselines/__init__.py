"""Baselines: the controls that stand beside every result."""

from polyscene.evaluation.baselines import (
    adamic_adar,
    common_neighbors,
    content,
    degree,
    ease,
    item_knn,
    personal_frequency,
    popularity,
    random_walk,
    recent_popularity,
)
from polyscene.evaluation.baselines.baseline import Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.registry.components import Component

COMPONENTS: list[Component] = [
    module.COMPONENT
    for module in (
        popularity,
        recent_popularity,
        item_knn,
        ease,
        content,
        personal_frequency,
        degree,
        common_neighbors,
        adamic_adar,
        random_walk,
    )
]

__all__ = ["COMPONENTS", "Baseline", "History"]
