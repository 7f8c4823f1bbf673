"""Joining: a scenario's data with the items, users and rows that came after it, as serving sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import PolysceneError
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.training.arrivals import new_items, receive, with_items
from polyscene.training.encoders import Sharing, bind_again
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session
from polyscene.updating.rows import NewRows

_SEED = 0x0BD7


@dataclass(frozen=True)
class Joined:
    """A scenario with what came after its data.

    Args:
        loaded: the scenario with all items and users, and the rows of its data alone.
        events: all rows; those of the data are the past, those that are held out have the phase of validation.
        new_R: bool, the new rows that may be learned from.
        old_R: bool, training rows of the data, which may be replayed.
        number_R: int64, numbers in the log, 0 for rows of the data.
    """

    loaded: LoadedScenario
    events: Events
    new_R: Tensor
    old_R: Tensor
    number_R: Tensor

    def labelled(self, wanted_R: Tensor) -> LoadedScenario:
        """The scenario with all rows, some of which are learned from."""
        return replace(self.loaded, events=replace(self.events, labelled_R=wanted_R))

    def replayed(self, count: int, seed: int) -> Tensor:
        """bool ``[R]``: so many training rows of the data, drawn without replacement."""
        row = self.old_R.nonzero().squeeze(1).numpy()
        drawn = np.random.default_rng([_SEED, seed]).permutation(row)[:count]
        return torch.zeros_like(self.old_R).index_fill_(0, torch.from_numpy(drawn), value=True)


def with_arrivals(loaded: LoadedScenario, calls: Sequence[Sequence[Mapping[str, Any]]]) -> LoadedScenario:
    """The scenario with the items that came while it was served; calls that it refuses are passed over."""
    for rows in calls:
        known = set(loaded.tables.item_ids.tolist())
        fresh = [dict(row) for row in rows if row.get("item_id") not in known]
        if not fresh:
            continue  # columns of known items that changed are learned when the run is trained again
        try:
            loaded = with_items(
                loaded, new_items(pd.DataFrame(fresh), loaded, f"scenario '{loaded.scenario.name}'")
            )
        except PolysceneError:
            continue  # as serving does, which has told so
    return loaded


def join(loaded: LoadedScenario, rows: NewRows, held_X: np.ndarray, others: Sequence[str] = ()) -> Joined:
    """All rows of a scenario as one.

    New rows come after those of the data, in the order of the log, as live steps do in serving; of their other
    columns nothing is known.

    Args:
        loaded: the scenario with the items that came.
        rows: new rows.
        held_X: bool, which of them are held out.
        others: users who may be asked about besides; of those whom nothing is known of, not even a row.
    """
    known = {*loaded.tables.user_ids, *rows.newcomers}
    loaded = _with_users(loaded, [*rows.newcomers, *(user for user in others if user not in known)])
    before = loaded.events
    user_R, old_R, phase_R = _old_rows(before)
    learned_X = np.where(held_X, np.int64(Phase.VALIDATION), np.int64(Phase.TRAIN))
    user, phase = np.concatenate([user_R, rows.user_X]), np.concatenate([phase_R, learned_X])
    order = np.lexsort([np.arange(len(user)), phase, user])
    at = torch.from_numpy(order)
    count = len(rows)
    cells = np.bincount(user * len(Phase) + phase, minlength=before.n_users * len(Phase))
    start_UP = np.zeros((before.n_users, len(Phase) + 1), dtype=np.int64)
    start_UP[:, 1:] = cells.reshape(-1, len(Phase)).cumsum(axis=1)
    start_UP += np.concatenate([[0], start_UP[:-1, -1].cumsum()])[:, None]

    def joined(old: Tensor, new: np.ndarray | Tensor) -> Tensor:
        return torch.cat([old, torch.as_tensor(new).to(old)])[at]

    events = replace(
        before,
        item_R=joined(before.item_R, rows.item_X),
        value_R=joined(before.value_R, rows.value_X),
        time_R=joined(before.time_R, rows.time_X),
        start_UP=torch.from_numpy(start_UP),
        # Everybody is asked: whom training did not see is no longer kept apart.
        cold_U=torch.zeros_like(before.cold_U),
        columns={name: joined(column, _unknown(column, count)) for name, column in before.columns.items()},
        labelled_R=None,
    )
    no_X, is_X = np.zeros(count, dtype=bool), np.ones(count, dtype=bool)
    return Joined(
        loaded,
        events,
        joined(torch.zeros(len(old_R), dtype=torch.bool), is_X & ~held_X),
        joined(torch.from_numpy(old_R), no_X),
        joined(torch.zeros(len(old_R), dtype=torch.int64), rows.number_X),
    )


def settle_in(session: Session, model: PolysceneModel, joined: Joined) -> None:
    """Let a model in eval mode know all items and users; what is counted is what the data holds, as in serving."""
    loaded, name = joined.loaded, joined.loaded.scenario.name
    bind_again(session, model, Sharing(loaded, {name: loaded}), ("users",))
    receive(session, model, name, loaded)


def bind_rows(session: Session, model: PolysceneModel, joined: Joined, *, new: bool) -> None:
    """Let row numbers mean all rows, or those of the data alone.

    Of a step that is in no row of the data, encoders of rows are told the latest time of the data, as in serving.
    """
    loaded, name = joined.loaded, joined.loaded.scenario.name
    if new:
        last = loaded.events.time_R.max() if len(loaded.events.time_R) else torch.zeros((), dtype=torch.int64)
        time_R = torch.where(joined.number_R > 0, last, joined.events.time_R)
        loaded = replace(loaded, events=replace(joined.events, time_R=time_R))
    bind_again(session, model, Sharing(loaded, {name: loaded}), ("events",))


def subject_of(session: Session, joined: Joined, *, new: bool) -> Subject:
    """The scenario's requests: with all rows, or with those of the data alone."""
    loaded = replace(joined.loaded, events=joined.events) if new else joined.loaded
    return session.subject(loaded.scenario.name, loaded)


def _with_users(loaded: LoadedScenario, ids: Sequence[str]) -> LoadedScenario:
    """The scenario with users of whom nothing is known but their ids."""
    if not ids:
        return loaded
    tables, events, count = loaded.tables, loaded.events, len(ids)
    more = pd.DataFrame({"user_id": list(ids)}).reindex(columns=tables.users.columns)
    last = events.start_UP[-1:, -1:] if events.n_users else torch.zeros(1, 1, dtype=torch.int64)
    served = replace(
        events,
        start_UP=torch.cat([events.start_UP, last.expand(count, events.start_UP.shape[1])]),
        cold_U=functional.pad(events.cold_U, (0, count), value=True),
    )
    split = replace(loaded.split, cold_U=np.append(loaded.split.cold_U, np.ones(count, dtype=bool)))
    users = pd.concat([tables.users, more])
    return replace(loaded, tables=replace(tables, users=users), events=served, split=split)


def _old_rows(events: Events) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User of each row of the data, whether it may be replayed, and its phase among all rows.

    Where the order of rows means something, all of them are the past of what came since. Where it does not, rows
    are read in the company of others, and those that training never saw must not keep it.
    """
    start_UP = events.start_UP.numpy()
    count_UP = np.diff(start_UP, axis=1)
    user_R = np.repeat(np.arange(events.n_users), count_UP.sum(axis=1))
    phase_R = np.repeat(np.tile(np.arange(len(Phase)), events.n_users), count_UP.ravel())
    old_R = np.zeros(len(user_R), dtype=bool)
    old_R[events.rows([Phase.TRAIN])[1]] = True
    if events.ordered:
        return user_R, old_R, np.full_like(phase_R, Phase.TRAIN)
    return user_R, old_R, np.where(phase_R <= Phase.KNOWN, Phase.TRAIN, Phase.TEST)


def _unknown(column: Tensor, count: int) -> Tensor:
    """Missing values, as steps have them that are in no row of the data: NaN, -1, the latest of times."""
    if column.dtype == torch.int64:
        return column.max().expand(count) if len(column) else column.new_zeros(count)
    return torch.full((count,), torch.nan if column.is_floating_point() else -1).to(column)
