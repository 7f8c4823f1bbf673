"""What one scenario brings to the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.features.entity import EntityEncoder
from polyscene.features.part import PartEncoder
from polyscene.priors.mixture import PriorMixture
from polyscene.tasks.task import Task


@dataclass(frozen=True)
class ScenarioParts:
    """The modules that one scenario brings.

    Args:
        items: encodes items.
        users: encodes users, None where nothing is known about them.
        events: encodes steps of a history beside their items, None where steps have no columns.
        tasks: the scenario's tasks by name; the first one ranks.
        n_items: number of items N.
        priors: what counting says beside the tasks; None where nothing is counted.
    """

    items: EntityEncoder | PartEncoder
    users: EntityEncoder | PartEncoder | None
    events: EntityEncoder | PartEncoder | None
    tasks: Mapping[str, Task]
    n_items: int
    priors: PriorMixture | None = None
