"""Requests against a computation of the same from the tables, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.requests import (
    POPULATIONS,
    VALIDATION,
    Population,
    Requests,
    triple_requests,
    user_requests,
)
from polyscene.training.loading import LoadedScenario
from tests.tiny import FACTS, LIKES, PEOPLE, SHOP, tiny_config, tiny_session

EVERY = {population.name: population for population in (*POPULATIONS, VALIDATION)}


@pytest.fixture(scope="module")
def scenarios() -> dict[str, LoadedScenario]:
    loaded = tiny_session(tiny_config("", (SHOP, PEOPLE, LIKES, FACTS))).load()
    return dict(loaded.scenarios)


def rows_of(one: LoadedScenario) -> pd.DataFrame:
    """One line per interaction: user, item and phase as numbers, in the order of time within user and phase."""
    rows = pd.DataFrame(
        {"user": one.tables.user_R, "item": one.tables.item_R, "phase": one.split.phase_R}, copy=True
    )
    rows["time"] = one.tables.time_R if one.tables.time_R is not None else 0
    return rows.sort_values(["user", "phase", "time"], kind="stable")


def naive(one: LoadedScenario, population: Population) -> dict[int, tuple[list[int], set[int]]]:
    """Past (items in order) and targets of each user."""
    found = {}
    for user, rows in rows_of(one).groupby("user"):
        targets = set(rows.item[rows.phase == population.phase])
        if not targets:
            continue
        if bool(one.split.cold_U[user]) != population.cold_users:
            continue
        before = Phase.VALIDATION if population.phase == Phase.VALIDATION else Phase.TEST
        found[int(user)] = (rows.item[rows.phase < before].tolist(), targets)  # type: ignore[call-overload]
    return found


def asked(requests: list[Requests], one: LoadedScenario) -> dict[int, tuple[list[int], set[int]]]:
    found = {}
    for batch in requests:
        for row, user in enumerate(batch.user_B.tolist()):
            past = one.events.item_R[batch.start_B[row] : batch.stop_B[row]].tolist()
            targets = batch.targets.item_M[batch.targets.row_M == row].tolist()
            assert user not in found
            found[user] = (past, set(targets))
    return found


@pytest.mark.parametrize("population", EVERY)
@pytest.mark.parametrize("name", [SHOP, PEOPLE, LIKES])
def test_past_and_targets(name: str, population: str, scenarios: dict[str, LoadedScenario]) -> None:
    one, wanted = scenarios[name], EVERY[population]
    ours = asked(list(user_requests(one.events, wanted, mask_history=True, batch=7)), one)
    expected = naive(one, wanted)
    if one.events.ordered:
        assert ours == expected
    else:
        assert {u: (sorted(p), t) for u, (p, t) in ours.items()} == {
            u: (sorted(p), t) for u, (p, t) in expected.items()
        }
    if name == SHOP:
        assert ours, "the shop has every population"


@pytest.mark.parametrize("population", EVERY)
def test_the_mask_is_the_past(population: str, scenarios: dict[str, LoadedScenario]) -> None:
    one = scenarios[SHOP]
    for batch in user_requests(one.events, EVERY[population], mask_history=True, batch=7):
        assert batch.masked is not None
        for row in range(len(batch.user_B)):
            past = one.events.item_R[batch.start_B[row] : batch.stop_B[row]].tolist()
            assert batch.masked.item_M[batch.masked.row_M == row].tolist() == past
    for batch in user_requests(one.events, EVERY[population], mask_history=False, batch=7):
        assert batch.masked is None


def test_no_target_of_the_test_was_in_training_windows(scenarios: dict[str, LoadedScenario]) -> None:
    """The past of a request never reaches the rows that it asks for."""
    for name in (SHOP, PEOPLE, LIKES):
        events = scenarios[name].events
        for population in EVERY.values():
            for batch in user_requests(events, population, mask_history=True, batch=64):
                assert (batch.stop_B <= events.start_UP[batch.user_B, population.phase]).all()


def test_windows_are_the_end_of_the_past(scenarios: dict[str, LoadedScenario]) -> None:
    one = scenarios[SHOP]
    for length in (1, 3, 100):
        for batch in user_requests(one.events, EVERY["warm"], mask_history=True, batch=16):
            windows = batch.windows(one.events, length)
            for row in range(len(batch.user_B)):
                past = one.events.item_R[batch.start_B[row] : batch.stop_B[row]].tolist()
                held = windows.item_BT[row][windows.valid_BT[row]].tolist()
                assert held == past[-length:]
                assert windows.valid_BT[row, : len(held)].all()


def test_a_user_without_a_past_has_an_empty_window(scenarios: dict[str, LoadedScenario]) -> None:
    one = scenarios[SHOP]
    zero = torch.zeros(1, dtype=torch.int64)
    request = next(iter(user_requests(one.events, EVERY["warm"], mask_history=True, batch=1)))
    windows = Requests(zero, zero, zero, request.targets, None).windows(one.events, 4)
    assert windows.length_B.tolist() == [0]


def test_a_limit_takes_users_from_everywhere(scenarios: dict[str, LoadedScenario]) -> None:
    one = scenarios[SHOP]

    def users(limit: int) -> list[int]:
        batches = user_requests(one.events, EVERY["warm"], mask_history=True, batch=3, limit=limit)
        return [user for batch in batches for user in batch.user_B.tolist()]

    every = users(0)
    some = users(5)
    assert len(some) == 5
    assert set(some) <= set(every)
    assert (some[0], some[-1]) == (every[0], every[-1])
    assert users(10_000) == every


def test_triples_ask_for_the_tail_and_leave_out_other_true_ones(scenarios: dict[str, LoadedScenario]) -> None:
    one = scenarios[FACTS]
    interactions = one.tables.interactions
    relation = interactions["relation"].astype(str).to_numpy()
    facts = list(zip(one.tables.user_R.tolist(), relation, one.tables.item_R.tolist(), strict=True))
    expected = {fact for fact, phase in zip(facts, one.split.phase_R, strict=True) if phase == Phase.TEST}
    tails: dict[tuple[int, str], set[int]] = {}
    for head, kind, tail in facts:
        tails.setdefault((head, kind), set()).add(tail)
    code = {
        int(c): kind
        for c, kind in zip(one.events.columns["relation"], _in_event_order(one, relation), strict=True)
    }
    found = set()
    for batch in triple_requests(one.events, EVERY["warm"], batch=17):
        window = batch.windows(one.events, 1)
        for row, head in enumerate(batch.user_B.tolist()):
            kind = code[int(window.columns["relation"][row, 0])]
            (tail,) = batch.targets.item_M[batch.targets.row_M == row].tolist()
            assert batch.masked is not None
            masked = set(batch.masked.item_M[batch.masked.row_M == row].tolist())
            assert masked == tails[head, kind] - {tail}
            found.add((head, kind, tail))
    assert found == expected
    assert not list(triple_requests(one.events, EVERY["cold_user"], batch=17))


def _in_event_order(one: LoadedScenario, values: np.ndarray) -> np.ndarray:
    """Values of interactions in the order of the flat events: by user, then phase, then as in the table."""
    return values[np.lexsort([one.split.phase_R, one.tables.user_R])]


@pytest.mark.parametrize("mask_history", [True, False])
def test_nobody_is_recommended_to_themselves(mask_history: bool) -> None:
    session = tiny_session(tiny_config("", (PEOPLE,)))
    one = session.load().scenarios[PEOPLE]
    subject = session.subject(PEOPLE, one)
    assert subject.own_item_U is not None
    view = View(mask_history=mask_history)
    batches = list(subject.requests(EVERY["warm"], view))
    assert batches
    for batch in batches:
        assert batch.masked is not None
        left_out = set(zip(batch.masked.row_M.tolist(), batch.masked.item_M.tolist(), strict=True))
        own = one.tables.users["user_id"].to_numpy()[batch.user_B.numpy()]
        position = {label: index for index, label in enumerate(one.tables.items["item_id"])}
        assert {(row, position[label]) for row, label in enumerate(own)} <= left_out
