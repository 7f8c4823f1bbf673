"""Small made-up histories that priors count: in order, in baskets, without an order, of friends; and facts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.tables import Tables
from polyscene.priors.prior import PriorData

KINDS = ("viewers", "baskets", "listeners", "friends")
"""Rows in order with times; in order, three at a time and repeated; without order and times; links of people."""
FRIENDS = "friends"
FACTS = "facts"
"""Rows (head, relation, tail) of entities, for priors that say what completes a fact."""
_USERS, _ITEMS, _RELATIONS = 12, 30, 3
_DAY, _VALIDATED = 86_400, 6


def make_events(kind: str, seed: int = 0) -> Events:
    """12 users and 30 items, or 12 people who are both, numbered alike.

    The last user has no rows and the last two items are in none; of friends, the last person has no links. The
    last row of whoever has six is a validation row. Facts are of 30 entities, the last of which know nothing.
    """
    generator = np.random.default_rng(seed)
    items = _links(generator) if kind == FRIENDS else _choices(generator, repeats=kind == "baskets")
    if kind == FACTS:
        items += [items[0][:0]] * (_ITEMS - _USERS)
    count_U = np.array([len(own) for own in items])
    stop_U = count_U.cumsum()
    start_UP = np.repeat(stop_U[:, None], len(Phase) + 1, axis=1)
    start_UP[:, Phase.TRAIN] = stop_U - count_U
    start_UP[:, Phase.TRAIN + 1 : Phase.VALIDATION + 1] -= (count_U >= _VALIDATED)[:, None]
    at_once = 3 if kind == "baskets" else 1
    time_R = 1_000_000 + _DAY * np.concatenate([np.arange(count) // at_once for count in count_U])
    ordered, n_items = kind in ("viewers", "baskets"), _USERS if kind == FRIENDS else _ITEMS
    relation_R = torch.from_numpy(generator.integers(_RELATIONS, size=len(time_R))).int()
    return Events(
        item_R=torch.from_numpy(np.concatenate(items)).int(),
        value_R=torch.from_numpy(generator.integers(1, 6, len(time_R))).float(),
        time_R=torch.from_numpy(time_R) * ordered,
        start_UP=torch.from_numpy(start_UP),
        n_items=n_items,
        cold_N=torch.zeros(n_items, dtype=torch.bool),
        cold_U=torch.zeros(len(items), dtype=torch.bool),
        columns={"relation": relation_R} if kind == FACTS else {},
        ordered=ordered,
        together=kind == "baskets",
    )


def make_data(events: Events, kind: str, seed: int = 1) -> PriorData:
    """What priors may read beside rows: id, ``tags`` (the last item has none) and text vector of each item.

    Users have links to one another, some twice and some to themselves; the last one has none.

    Args:
        events: the rows.
        kind: one of :data:`KINDS`.
        seed: of tags and vectors.
    """
    generator = np.random.default_rng(seed)
    vectors_Nh = torch.from_numpy(generator.standard_normal((events.n_items, 8))).float()
    tags = ["|".join(f"t{tag}" for tag in generator.choice(7, 3, replace=False)) for _ in range(events.n_items)]
    tags[-1] = ""
    items = pd.DataFrame({"item_id": [str(item) for item in range(events.n_items)], "tags": tags})
    users = pd.DataFrame({"user_id": [str(user) for user in range(events.n_users)]})
    links = pd.DataFrame(generator.integers(events.n_users - 1, size=(40, 2)), columns=["user_id", "friend_id"])
    links = links.iloc[[*range(40), 0]].astype(str)  # one of them twice
    links.iloc[1, 1] = links.iloc[1, 0]
    user_R, row_R = events.rows(Phase, context=True)
    rows = pd.DataFrame({"user_id": user_R.astype(str), "item_id": events.item_R.numpy()[row_R].astype(str)})
    same = kind == FRIENDS and events.n_users == events.n_items
    own_item_U = torch.arange(events.n_users) if same else None
    return PriorData(f"scenario.{kind}", events, Tables(items, rows, users, links), own_item_U, lambda: vectors_Nh)


def without_rows(events: Events, rows: Tensor) -> Events:
    """The same events of which some rows must not be counted."""
    labelled_R = torch.ones(len(events.item_R), dtype=torch.bool)
    labelled_R[rows] = False
    return replace(events, labelled_R=labelled_R)


def without_facts(events: Events, rows: Tensor) -> Events:
    """The same facts but for some that nobody knows, not even as context."""
    kept_R = torch.ones(len(events.item_R), dtype=torch.bool)
    kept_R[rows] = False
    before_R = torch.cat([torch.zeros(1, dtype=torch.int64), kept_R.cumsum(0)])
    rows_of = {name: getattr(events, name)[kept_R] for name in ("item_R", "value_R", "time_R")}
    columns = {name: column[kept_R] for name, column in events.columns.items()}
    return replace(events, **rows_of, columns=columns, start_UP=before_R[events.start_UP])


def with_arrivals(events: Events) -> Events:
    """Two items more, and one user more who has both of them and the first one."""
    item_3 = torch.tensor([0, events.n_items, events.n_items + 1])
    start_P = torch.full((1, len(Phase) + 1), len(events.item_R) + 3)
    start_P[0, Phase.TRAIN] -= 3
    return replace(
        events,
        item_R=torch.cat([events.item_R, item_3.int()]),
        value_R=torch.cat([events.value_R, torch.ones(3)]),
        time_R=torch.cat([events.time_R, events.time_R.max().expand(3)]),
        start_UP=torch.cat([events.start_UP, start_P]),
        n_items=events.n_items + 2,
        cold_N=torch.cat([events.cold_N, torch.ones(2, dtype=torch.bool)]),
        cold_U=torch.cat([events.cold_U, torch.ones(1, dtype=torch.bool)]),
        columns={name: torch.cat([column, column[:1].expand(3)]) for name, column in events.columns.items()},
    )


def _choices(generator: np.random.Generator, *, repeats: bool) -> list[np.ndarray]:
    counts = [*generator.integers(4, 25, _USERS - 1), 0]
    return [generator.choice(_ITEMS - 2, count, replace=repeats) for count in counts]


def _links(generator: np.random.Generator) -> list[np.ndarray]:
    linked = np.triu(generator.random((_USERS, _USERS)) < 0.4, 1)
    linked[:, -1] = False
    linked[0, 1] = True
    linked |= linked.T
    return [np.flatnonzero(own) for own in linked]
