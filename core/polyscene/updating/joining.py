"""Joining: a scenario's data with the items, users and rows that came after it, as serving sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import PolysceneError
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.serving.reactions.laying import Laid, lay, with_empty_users
from polyscene.serving.reactions.rows import NewRows
from polyscene.training.arrivals import new_items, receive, with_items
from polyscene.training.encoders import Sharing, bind_again
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session


@dataclass(frozen=True)
class Joined:
    """A scenario with what came after its data.

    Args:
        loaded: the scenario with all items and users, and the rows of its data alone.
        served: all rows as serving reads them, where whatever the data holds is the past of new rows.
        learned: all rows as they are learned from. Where the order of rows means nothing, rows are read in the
            company of others, and those that training never saw must not keep it.
        rows: the rows that came after the data.
    """

    loaded: LoadedScenario
    served: Laid
    learned: Laid
    rows: NewRows

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


def join(
    loaded: LoadedScenario, rows: NewRows, held_X: np.ndarray, others: Sequence[str] = (), *, after: int = 0
) -> Joined:
    """All rows of a scenario as one.

    New rows come after those of the data, in the order of the log, as live steps do in serving; of their other
    columns nothing is known.

    Args:
        loaded: the scenario with the items that came.
        rows: new rows.
        held_X: bool, which of them are held out.
        others: users who may be asked about besides; of those whom nothing is known of, not even a row.
        after: rows up to this number were learned from before: they are known, and not learned from again.
    """
    known = {*loaded.tables.user_ids, *rows.newcomers}
    loaded = _with_users(loaded, [*rows.newcomers, *(user for user in others if user not in known)])
    served = lay(loaded.events, rows, held_X, apart=False, after=after)
    ordered = loaded.events.ordered
    learned = served if ordered else lay(loaded.events, rows, held_X, apart=True, after=after)
    return Joined(loaded, served, learned, rows)


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
    tables, count = loaded.tables, len(ids)
    more = pd.DataFrame({"user_id": list(ids)}).reindex(columns=tables.users.columns)
    split = replace(loaded.split, cold_U=np.append(loaded.split.cold_U, np.ones(count, dtype=bool)))
    users = pd.concat([tables.users, more])
    events = with_empty_users(loaded.events, count)
    return replace(loaded, tables=replace(tables, users=users), events=events, split=split)
