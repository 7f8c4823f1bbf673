"""A text tells nothing of its own row and nothing of what came later: a property of random events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.tasks.cross_past import judged_rows, pairs_before

N_ITEMS, MOST = 9, 4
PHASES = (Phase.TRAIN, Phase.VALIDATION, Phase.TEST)


def random_events(seed: int, *, together: bool = False) -> Events:
    """Five users with rows in all phases; times never fall within a phase."""
    rng = np.random.default_rng(seed)
    counts_UP = rng.integers(0, 5, size=(5, len(Phase)))
    counts_UP[:, Phase.COLD] = 1
    start_UP = np.concatenate([[0], counts_UP.ravel().cumsum()])
    rows = int(start_UP[-1])
    return Events(
        item_R=torch.from_numpy(rng.integers(0, N_ITEMS, rows).astype(np.int32)),
        value_R=torch.from_numpy(rng.integers(1, 6, rows).astype(np.float32)),
        time_R=torch.from_numpy(np.sort(rng.integers(0, 12, rows))),
        start_UP=torch.from_numpy(
            np.stack([start_UP[u * len(Phase) : (u + 1) * len(Phase) + 1] for u in range(5)])
        ),
        n_items=N_ITEMS,
        cold_N=torch.zeros(N_ITEMS, dtype=torch.bool),
        cold_U=torch.zeros(5, dtype=torch.bool),
        together=together,
    )


def told(events: Events) -> dict[int, list[tuple[int, bool]]]:
    """For each judged row, the items of its past with what was thought of them, newest first."""
    user_M, row_M, stop_M = judged_rows(events)
    pairs = pairs_before(
        events, user_M, events.item_R.numpy()[row_M].astype(np.int64), stop_M, threshold=3.0, most=MOST
    )
    return {
        int(row): list(zip(past[known].tolist(), liked[known].tolist(), strict=True))
        for row, past, liked, known in zip(row_M, pairs.past_MH, pairs.liked_MH, pairs.known_MH, strict=True)
    }


@pytest.mark.parametrize("seed", range(8))
def test_a_row_is_told_the_newest_rows_before_it(seed: int) -> None:
    events = random_events(seed)
    found = told(events)
    expected: dict[int, list[tuple[int, bool]]] = {}
    for phase in PHASES:
        for user, row in zip(*events.rows([phase]), strict=True):
            stop = row if phase is Phase.TRAIN else int(events.start_UP[user, phase])
            before = range(int(events.start_UP[user, 0]), stop)[-MOST:][::-1]
            expected[row] = [(int(events.item_R[r]), bool(events.value_R[r] > 3)) for r in before]
    assert found == expected


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_its_own_row_and_later_ones_tell_it_nothing(seed: int, together: bool) -> None:
    events = random_events(seed, together=together)
    before = told(events)
    for row in before:
        later = torch.arange(len(events.item_R)) >= row
        changed = replace(
            events,
            item_R=torch.where(later, (events.item_R + 1) % N_ITEMS, events.item_R),
            value_R=torch.where(later, 6 - events.value_R, events.value_R),
        )
        assert told(changed)[row] == before[row]


def test_rows_of_one_basket_do_not_see_each_other() -> None:
    events = random_events(0, together=True)
    baskets = replace(events, time_R=torch.zeros_like(events.time_R))
    first = {
        row: past for row, past in told(baskets).items() if row in set(events.rows([Phase.TRAIN])[1].tolist())
    }
    assert first
    assert not any(first.values()), "all training rows of a user are one basket"
    assert any(told(events).values())


def test_only_labelled_rows_are_learned_from_and_all_are_context() -> None:
    events = random_events(1)
    train = events.rows([Phase.TRAIN])[1]
    labelled_R = torch.zeros(len(events.item_R), dtype=torch.bool)
    labelled_R[train[::3]] = True
    whole, few = told(events), told(replace(events, labelled_R=labelled_R))
    assert few == {row: past for row, past in whole.items() if row not in train or row in train[::3]}
