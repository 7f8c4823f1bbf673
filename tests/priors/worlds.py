"""Small worlds that priors count: viewers with an order of rows, listeners without one, and friends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from polyscene.config.choice import chosen
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.tables import Tables
from polyscene.priors import Prior, PriorData
from polyscene.registry.host import load_host

N_ITEMS = 30


def events_of(kind: str, seed: int = 0, users: int = 12) -> Events:
    """Rows of ``viewers`` (in order), ``baskets`` (in order, some at once), ``listeners`` or ``friends``."""
    generator = np.random.default_rng(seed)
    n_items = users if kind == "friends" else N_ITEMS
    items: list[np.ndarray] = []
    if kind == "friends":
        linked = np.triu(generator.random((users, users)) < 0.35, 1)
        linked |= linked.T
        linked[0, 1] = linked[1, 0] = True
        items = [np.flatnonzero(linked[user]) for user in range(users)]
    else:
        for _ in range(users):
            count = int(generator.integers(4, 25))
            repeats = kind == "baskets"
            items.append(generator.choice(n_items, min(count, n_items), replace=repeats))
    counts = np.array([len(own) for own in items])
    stop_U = counts.cumsum()
    start_UP = np.repeat(stop_U[:, None], len(Phase) + 1, axis=1)
    start_UP[:, 0] = stop_U - counts
    item_R = torch.from_numpy(np.concatenate(items)).int()
    day = 86_400 // (3 if kind == "baskets" else 1)
    time = np.concatenate([np.arange(count) // (3 if kind == "baskets" else 1) * day * 3 for count in counts])
    ordered = kind in ("viewers", "baskets")
    return Events(
        item_R=item_R,
        value_R=torch.from_numpy(generator.integers(1, 6, len(item_R))).float(),
        time_R=torch.from_numpy(time + 1_000_000) if ordered else torch.zeros(len(item_R), dtype=torch.int64),
        start_UP=torch.from_numpy(start_UP),
        n_items=n_items,
        cold_N=torch.zeros(n_items, dtype=torch.bool),
        cold_U=torch.zeros(users, dtype=torch.bool),
        ordered=ordered,
        together=kind == "baskets",
    )


def data_of(events: Events, kind: str) -> PriorData:
    """What priors may read of a world."""
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(events.n_items, 8, generator=generator)
    tags = ["|".join(f"t{(item * k) % 7}" for k in (1, 2, 3)) for item in range(events.n_items)]
    items = pd.DataFrame({"item_id": [str(item) for item in range(events.n_items)], "tags": tags})
    users = pd.DataFrame({"user_id": [str(user) for user in range(events.n_users)]})
    rows = pd.DataFrame({"user_id": users["user_id"].iloc[:1], "item_id": items["item_id"].iloc[:1]})
    own = torch.arange(events.n_users) if kind == "friends" else None
    return PriorData("scenario.world", events, Tables(items, rows, users), own, lambda: vectors)


def prior_of(name: str, events: Events, kind: str, **options: Any) -> Prior:
    """A prior that has counted the training rows."""
    prior: Prior = chosen("prior", {"name": name, **options}, load_host()).build(data=data_of(events, kind))
    prior.observe(events, [Phase.TRAIN])
    return prior


def without_rows(events: Events, rows: torch.Tensor) -> Events:
    """The same events of which some rows must not be counted."""
    labelled_R = torch.ones(len(events.item_R), dtype=torch.bool)
    labelled_R[rows] = False
    return replace(events, labelled_R=labelled_R)
