"""What a prior says of a training row must be what it would say had it never counted that row."""

from __future__ import annotations

import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.errors import DataError
from polyscene.priors.moments import moments
from polyscene.registry.host import load_host
from tests.priors.worlds import events_of, prior_of, without_rows

NAMES = load_host().registry.names("prior")
KINDS = ("viewers", "baskets", "listeners", "friends")
OPTIONS = {"linear": {"l2": 5.0}}
LOG = {"log_weights": True}


def fits(name: str, kind: str) -> bool:
    """Whether a prior can be built on a world; one that cannot must say what else can."""
    try:
        prior_of(name, events_of(kind), kind)
    except DataError as error:
        return not error.fix  # without advice it becomes a case, and fails
    return True


CASES = [(name, kind, {}) for name in NAMES for kind in KINDS if fits(name, kind)]
CASES += [("linear", kind, LOG) for kind in KINDS]


@pytest.mark.parametrize(("name", "kind", "more"), CASES)
def test_scores_are_those_of_a_count_without_the_row(name: str, kind: str, more: dict[str, bool]) -> None:
    events = events_of(kind)
    options = {**OPTIONS.get(name, {}), **more}
    prior = prior_of(name, events, kind, **options)
    user, row = (torch.from_numpy(array) for array in events.rows([Phase.TRAIN]))
    chosen = torch.arange(3, len(row), 11)
    asked = moments(events, user[chosen], row[chosen], longest=64)
    left_out = prior(asked.past, asked.hidden)
    for place, number in enumerate(chosen.tolist()):
        alone = moments(events, user[number : number + 1], row[number : number + 1], longest=64)
        hidden = alone.hidden.row_BT[alone.hidden.valid_BT]
        if name == "random_walk":  # links count in both directions, so the row of the other person goes as well
            mirrored = (user == events.item_R[row[number]]) & (events.item_R[row] == user[number])
            hidden = torch.cat([hidden, row[mirrored]])
        fresh = prior_of(name, without_rows(events, hidden), kind, **options)
        expected = fresh(alone.past)
        torch.testing.assert_close(left_out[place : place + 1], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("co_occurrence", "viewers"),
        ("linear", "listeners"),
        ("recent_popularity", "viewers"),
        ("random_walk", "friends"),
    ],
)
def test_a_leak_would_be_caught(name: str, kind: str) -> None:
    """Statistics that know the row put its item higher: the test above is not passed by doing nothing."""
    events = events_of(kind)
    prior = prior_of(name, events, kind, **OPTIONS.get(name, {}))
    user, row = (torch.from_numpy(array) for array in events.rows([Phase.TRAIN]))
    chosen = torch.arange(3, len(row), 11)
    asked = moments(events, user[chosen], row[chosen], longest=64)
    told, left_out = prior(asked.past), prior(asked.past, asked.hidden)
    item_Q1 = asked.item_Q.unsqueeze(1)
    assert float((told.gather(1, item_Q1) - left_out.gather(1, item_Q1)).mean()) > 0.01
