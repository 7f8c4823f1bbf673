"""Terms of occurrence: the formula, and rows that are left out of the counts."""

from __future__ import annotations

import pytest
import torch

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.priors.moments import moments
from polyscene.priors.occurrence import Occurrence
from polyscene.testing.histories import make_events, without_rows
from polyscene.testing.windows import pasts

KINDS = ("viewers", "baskets", "listeners")


def counting(events: Events) -> Occurrence:
    occurrence = Occurrence(events.n_items)
    occurrence.observe(events, [Phase.TRAIN])
    return occurrence


@pytest.mark.parametrize("kind", KINDS)
def test_terms_are_logarithms_of_counts(kind: str) -> None:
    events = make_events(kind)
    user, row = events.rows([Phase.TRAIN])
    pairs = list(zip(user.tolist(), events.item_R[torch.from_numpy(row)].tolist(), strict=True))
    rows_N, users_N = torch.zeros(events.n_items), torch.zeros(events.n_items)
    for _, item in pairs:
        rows_N[item] += 1
    for _, item in set(pairs):
        users_N[item] += 1
    popularity_QN, repetition_QN = counting(events)(pasts(events))
    torch.testing.assert_close(popularity_QN, torch.log1p(users_N).expand_as(popularity_QN))
    torch.testing.assert_close(repetition_QN, torch.log((1 + rows_N) / (1 + users_N)).expand_as(repetition_QN))


def test_some_items_are_bought_again() -> None:
    assert counting(events := make_events("baskets"))(pasts(events))[1].max() > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_was_never_counted(kind: str) -> None:
    events = make_events(kind)
    user_R, row_R = (torch.from_numpy(array)[::7] for array in events.rows([Phase.TRAIN]))
    asked = moments(events, user_R, row_R, 64)
    found_2QN, changed = counting(events)(asked.past, asked.hidden), 0
    for place, hidden in enumerate(asked.hidden.row_BT):
        gone = hidden[asked.hidden.valid_BT[place]]
        expected_2QN = counting(without_rows(events, gone))(asked.past)
        torch.testing.assert_close(found_2QN[:, place], expected_2QN[:, place])
        changed += int(not torch.allclose(expected_2QN[:, place], counting(events)(asked.past)[:, place]))
    assert changed == len(row_R)
