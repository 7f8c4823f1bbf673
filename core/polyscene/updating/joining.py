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
class Laid:
    """All rows of a scenario, those of its data and new ones, in one order.

    Args:
        events: the rows; held-out ones have the phase of validation, those before of training.
        number_R: int64, numbers in the log, 0 for rows of the data.
        old_R: bool, training rows of the data, which may be replayed.
    """

    events: Events
    number_R: Tensor
    old_R: Tensor

    @property
    def new_R(self) -> Tensor:
        """bool ``[R]``: the new rows that may be learned from."""
        train_R = torch.zeros_like(self.old_R)
        train_R[torch.from_numpy(self.events.rows([Phase.TRAIN])[1])] = True
        return train_R & (self.number_R > 0)

    def replayed(self, count: int, seed: int) -> Tensor:
        """bool ``[R]``: so many training rows of the data, drawn without replacement."""
        row = self.old_R.nonzero().squeeze(1).numpy()
        drawn = np.random.default_rng([_SEED, seed]).permutation(row)[:count]
        return torch.zeros_like(self.old_R).index_fill_(0, torch.from_numpy(drawn), value=True)


@dataclass(frozen=True)
class Joined:
    """A scenario with what came after its data.

    Args:
        loaded: the scenario with all items and users, and the rows of its data alone.
        served: all rows as serving reads them, where whatever the data holds is the past of new rows.
        learned: all rows as they are learned from. Where the order of rows means nothing, rows are read in the
            company of others, and those that training never saw must not keep it.
    """

    loaded: LoadedScenario
    served: Laid
    learned: Laid

    def labelled(self, wanted_R: Tensor) -> LoadedScenario:
        """The scenario with all rows, some of which are learned from."""
        return replace(self.loaded, events=replace(self.learned.events, labelled_R=wanted_R))


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
    served = _laid(loaded.events, rows, held_X, apart=False)
    return Joined(
        loaded, served, served if loaded.events.ordered else _laid(loaded.events, rows, held_X, apart=True)
    )


def settle_in(session: Session, model: PolysceneModel, joined: Joined) -> None:
    """Let a model in eval mode know all items and users; what is counted is what the data holds, as in serving."""
    loaded, name = joined.loaded, joined.loaded.scenario.name
    bind_again(session, model, Sharing(loaded, {name: loaded}), ("users",))
    receive(session, model, name, loaded)


def bind_rows(session: Session, model: PolysceneModel, joined: Joined, laid: Laid | None) -> None:
    """Let row numbers mean all rows in an order, or those of the data alone (None)."""
    loaded, name = joined.loaded, joined.loaded.scenario.name
    if laid is not None:
        loaded = replace(loaded, events=_as_strangers(laid, loaded.events))
    bind_again(session, model, Sharing(loaded, {name: loaded}), ("events",))


def _as_strangers(laid: Laid, data: Events) -> Events:
    """The rows as encoders of rows are to see them: each new one as the first of a stranger, as in serving.

    A step that is in no row of the data has nothing but item, value and time there, and encoders are told the
    latest time of the data.
    """
    events, new_R = laid.events, laid.number_R > 0
    last = data.time_R.max() if len(data.time_R) else events.time_R.new_zeros(())
    first_R = new_R | new_R.roll(1)
    first_R[events.start_UP[:, 0][events.start_UP[:, 0] < len(first_R)]] = True
    start_V = first_R.nonzero().squeeze(1)
    stop_V = torch.cat([start_V[1:], start_V.new_tensor([len(first_R)])])
    start_VP = torch.cat([start_V.unsqueeze(1), stop_V.unsqueeze(1).expand(-1, len(Phase))], dim=1)
    return replace(events, time_R=torch.where(new_R, last, events.time_R), start_UP=start_VP)


def subject_of(session: Session, joined: Joined, laid: Laid | None) -> Subject:
    """The scenario's requests: with all rows in an order, or with those of the data alone (None)."""
    loaded = joined.loaded if laid is None else replace(joined.loaded, events=laid.events)
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


def _laid(before: Events, rows: NewRows, held_X: np.ndarray, *, apart: bool) -> Laid:
    """All rows in one order; ``apart`` puts rows of the data that training never saw behind all others."""
    start_UP, count = before.start_UP.numpy(), len(rows)
    count_UP = np.diff(start_UP, axis=1)
    user_R = np.repeat(np.arange(before.n_users), count_UP.sum(axis=1))
    own_R = np.repeat(np.tile(np.arange(len(Phase)), before.n_users), count_UP.ravel())
    phase_R = np.where(apart & (own_R > Phase.KNOWN), np.int64(Phase.TEST), np.int64(Phase.TRAIN))
    phase_X = np.where(held_X, np.int64(Phase.VALIDATION), np.int64(Phase.TRAIN))
    user, phase = np.concatenate([user_R, rows.user_X]), np.concatenate([phase_R, phase_X])
    at = torch.from_numpy(np.lexsort([np.arange(len(user)), phase, user]))
    cells = np.bincount(user * len(Phase) + phase, minlength=before.n_users * len(Phase))
    joined_UP = np.zeros_like(start_UP)
    joined_UP[:, 1:] = cells.reshape(-1, len(Phase)).cumsum(axis=1)
    joined_UP += np.concatenate([[0], joined_UP[:-1, -1].cumsum()])[:, None]

    def joined(old: Tensor, new: np.ndarray | Tensor) -> Tensor:
        return torch.cat([old, torch.as_tensor(new).to(old)])[at]

    events = replace(
        before,
        item_R=joined(before.item_R, rows.item_X),
        value_R=joined(before.value_R, rows.value_X),
        time_R=joined(before.time_R, rows.time_X),
        start_UP=torch.from_numpy(joined_UP),
        # Everybody is asked: whom training did not see is no longer kept apart.
        cold_U=torch.zeros_like(before.cold_U),
        columns={name: joined(column, _unknown(column, count)) for name, column in before.columns.items()},
        labelled_R=None,
    )
    old_R = torch.zeros(len(user_R), dtype=torch.bool)
    old_R[torch.from_numpy(before.rows([Phase.TRAIN])[1])] = True
    number_R = joined(torch.zeros(len(user_R), dtype=torch.int64), rows.number_X)
    return Laid(events, number_R, joined(old_R, np.zeros(count, dtype=bool)))


def _unknown(column: Tensor, count: int) -> Tensor:
    """Missing values, as steps have them that are in no row of the data: NaN, -1, the latest of times."""
    if column.dtype == torch.int64:
        return column.max().expand(count) if len(column) else column.new_zeros(count)
    return torch.full((count,), torch.nan if column.is_floating_point() else -1).to(column)
