"""Shots: which rows are labelled, what counts them, and the windows that end with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.data.phases import BEFORE_TEST, Phase
from polyscene.data.sampling import step_generator
from polyscene.data.shots import ShotSampler, draw_shots, with_shots
from polyscene.errors import DataError
from polyscene.tasks.popularity import item_share
from polyscene.training.loading import LoadedScenario, with_draw
from tests.tiny import ALL, LIKES, SHOP, tiny_config, tiny_session

LENGTH = 6


@pytest.fixture(scope="module")
def loaded() -> dict[str, LoadedScenario]:
    return dict(tiny_session(tiny_config("", ALL)).load().scenarios)


def test_draws_are_nested_and_differ(loaded: dict[str, LoadedScenario]) -> None:
    split = loaded[SHOP].split
    few, many, other = draw_shots(split, 16, 3), draw_shots(split, 64, 3), draw_shots(split, 16, 4)
    assert few.sum() == 16
    assert many[few].all()
    assert (few != other).any()
    assert np.array_equal(few, draw_shots(split, 16, 3))
    assert (split.phase_R[many] == Phase.TRAIN).all()


def test_more_shots_than_rows_says_how_many_there_are(loaded: dict[str, LoadedScenario]) -> None:
    rows = loaded[SHOP].split.count(Phase.TRAIN)
    with pytest.raises(DataError, match=rf"{rows + 1:,} shots .* {rows:,} training rows"):
        draw_shots(loaded[SHOP].split, rows + 1, 0)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shots", [0, 1, 16])
def test_statistics_count_shots_alone(name: str, shots: int, loaded: dict[str, LoadedScenario]) -> None:
    one = with_draw(loaded[name], shots, 2)
    events = one.events
    assert one.split.count(Phase.TRAIN) == shots
    assert len(events.rows(BEFORE_TEST)[0]) == shots
    assert events.matrix([Phase.TRAIN]).sum() <= shots
    count_N = item_share(events, BEFORE_TEST) * (events.n_items + shots) - 1
    assert count_N.sum().item() == pytest.approx(shots, abs=1e-2)
    # The rows themselves, and who sees what as history, stay as they were.
    assert torch.equal(events.item_R, loaded[name].events.item_R)
    assert torch.equal(events.start_UP, loaded[name].events.start_UP)
    assert len(events.rows(BEFORE_TEST, context=True)[0]) == len(loaded[name].events.rows(BEFORE_TEST)[0])


@pytest.mark.parametrize("name", [SHOP, LIKES])
def test_a_window_ends_with_its_shot_after_rows_of_the_same_user(
    name: str, loaded: dict[str, LoadedScenario]
) -> None:
    one = with_draw(loaded[name], 40, 0)
    sampler, events = ShotSampler(one.events, LENGTH), one.events
    windows = sampler.windows(torch.arange(40))
    assert windows.labelled_BT is not None
    assert (windows.labelled_BT.sum(1) == 1).all()
    last_B = windows.length_B - 1
    assert windows.labelled_BT[torch.arange(40), last_B].all()
    assert windows.row_BT[windows.labelled_BT].tolist() == sampler.row_S.tolist()
    for row, (user, valid_T, row_T) in enumerate(
        zip(windows.user_B, windows.valid_BT, windows.row_BT, strict=True)
    ):
        start, stop = events.start_UP[user, Phase.TRAIN], events.start_UP[user, Phase.TRAIN + 1]
        used = row_T[valid_T]
        assert ((used >= start) & (used < stop)).all()
        assert len(set(used.tolist())) == len(used)
        shot = sampler.row_S[row]
        if events.ordered:
            assert (used <= shot).all()
            assert len(used) == min(LENGTH, shot - start + 1)
        else:
            assert len(used) == min(LENGTH, stop - start)


def test_every_shot_comes_as_often_as_the_others(loaded: dict[str, LoadedScenario]) -> None:
    sampler = ShotSampler(with_draw(loaded[SHOP], 10, 0).events, LENGTH)
    windows = sampler.draw(25, step_generator(0, 0, "cpu"))
    assert windows.labelled_BT is not None
    counts = torch.bincount(windows.row_BT[windows.labelled_BT])[sampler.row_S]
    assert sorted(counts.tolist()) == [2] * 5 + [3] * 5


def test_a_split_with_shots_keeps_the_rows_of_other_phases(loaded: dict[str, LoadedScenario]) -> None:
    split = loaded[SHOP].split
    few = with_shots(split, draw_shots(split, 5, 0))
    others = split.phase_R != Phase.TRAIN
    assert np.array_equal(few.phase_R[others], split.phase_R[others])
    assert few.count(Phase.KNOWN) == split.count(Phase.KNOWN) + split.count(Phase.TRAIN) - 5
