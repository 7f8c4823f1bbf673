"""What a request asks of its scenario: who asks, from which past, what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from polyscene.data.scenario import View
from polyscene.serving.engine.requests import Request, Step
from polyscene.serving.engine.shelf import Shelf
from polyscene.serving.engine.steps import Steps


@dataclass(frozen=True)
class Past:
    """What somebody had: rows of the data, then further steps.

    Args:
        start, stop: rows of the data.
        steps: what came after them.
    """

    start: int = 0
    stop: int = 0
    steps: Steps = field(default_factory=Steps)

    def __len__(self) -> int:
        return self.stop - self.start + len(self.steps.items)


@dataclass(frozen=True)
class Asked:
    """A request in the terms of its scenario.

    Args:
        request: as it came.
        user: row of the user; the stranger's for whom the data does not know.
        read: the past that is read.
        seen: the past that is left out; None where nothing of it is.
        view: which ranking.
        exclude: rows of further items that are left out.
        only: bool ``[N]``, the items that filters leave; all if None.
        known: whether data or feedback know the user.
        unknown: ids of the request that are no items here.
        by_text: whether ``read`` stands for a text; its steps are then what the rows of the stranger are for.
        recognized: the router's probability of each scenario that could be meant; empty where one is named.
    """

    request: Request
    user: int
    read: Past
    seen: Past | None
    view: View
    exclude: list[int]
    only: Tensor | None
    known: bool
    unknown: tuple[str, ...]
    by_text: bool
    recognized: Mapping[str, float] = field(default_factory=dict)


def asked(shelf: Shelf, request: Request) -> Asked:
    """What a request asks of a scenario.

    Raises:
        ServingError: there is no such view or column.
        DataError: a text cannot stand for a user here.
    """
    view, user = shelf.view(request.view), request.user
    row, start, stop = shelf.rows_of(user)
    own = Past(start, stop, shelf.done_by(user))
    read, unknown = own, []
    if request.text is not None:
        items = shelf.nearest(request.text).tolist()
        read = Past(0, 0, Steps(items, [shelf.value] * len(items), [shelf.time] * len(items)))
    elif request.history is not None:
        steps, unknown = _steps(shelf, request.history)
        read = Past(0, 0, steps)
    exclude = [shelf.position[item] for item in request.exclude if item in shelf.position]
    unknown += [item for item in request.exclude if item not in shelf.position]
    # Nobody had the items that stand for a text.
    seen = own if request.text is not None else read
    hidden = view.mask_history if request.exclude_seen is None else request.exclude_seen
    return Asked(
        request,
        row,
        read,
        seen if hidden else None,
        view,
        exclude,
        shelf.filters.mask(request.filters),
        known=row != shelf.stranger or len(own) > 0,
        unknown=tuple(dict.fromkeys(unknown)),
        by_text=request.text is not None,
    )


def _steps(shelf: Shelf, history: tuple[Step, ...]) -> tuple[Steps, list[str]]:
    """The steps of a given history whose items are known, and the ids of the others."""
    steps, unknown = Steps(), []
    for step in history:
        if step.item not in shelf.position:
            unknown.append(step.item)
            continue
        steps.items.append(shelf.position[step.item])
        steps.values.append(shelf.value if step.value is None else float(step.value))
        steps.times.append(shelf.time if step.time is None else shelf.moment(step.time))
    return steps, unknown
