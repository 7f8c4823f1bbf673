"""A prior on the kit's small histories, and the same rows as plain lists."""

from __future__ import annotations

from typing import Any, NamedTuple

from polyscene.config.choice import chosen
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.priors import Prior
from polyscene.registry.host import load_host
from polyscene.testing.histories import make_data

HOST = load_host(no_plugins=True)


class Row(NamedTuple):
    item: int
    value: float
    time: int


def built(name: str, events: Events, kind: str, **options: Any) -> Prior:
    """A prior that has counted nothing yet."""
    return chosen("prior", {"name": name, **options}, HOST, where=name).build(data=make_data(events, kind))


def prior_of(name: str, events: Events, kind: str, **options: Any) -> Prior:
    """A prior that has counted the training rows."""
    prior = built(name, events, kind, **options)
    prior.observe(events, [Phase.TRAIN])
    return prior


def histories(events: Events) -> list[list[Row]]:
    """The training rows of each user, oldest first."""
    bounds = events.start_UP[:, [Phase.TRAIN, Phase.TRAIN + 1]].tolist()
    columns = zip(events.item_R.tolist(), events.value_R.tolist(), events.time_R.tolist(), strict=True)
    rows = [Row(*row) for row in columns]
    return [rows[start:stop] for start, stop in bounds]
