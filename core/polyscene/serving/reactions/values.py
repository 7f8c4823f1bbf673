"""Values of rows for which nobody told one."""

from __future__ import annotations

from torch import Tensor

from polyscene.data.events import Events
from polyscene.tasks.task import PairTask, Task


def untold_values(events: Events, task: Task) -> tuple[float, float]:
    """The values of a step and of a skip that tell none: middling ones, where rows are judged of either class."""
    value_R = events.value_R.float()
    if not isinstance(task, PairTask):
        return _middle(value_R, 1.0), 0.0
    label_R = task.labels(value_R)
    return _middle(value_R[label_R], 1.0), _middle(value_R[~label_R], 0.0)


def _middle(value_R: Tensor, otherwise: float) -> float:
    return float(value_R.median()) if len(value_R) else otherwise
