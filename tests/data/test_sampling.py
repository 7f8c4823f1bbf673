"""Training windows: every row equally likely, nothing but training rows, the same batch for the same step."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.sampling import MixedSampler, RowSampler, Share, WindowSampler, step_generator
from polyscene.data.weighting import draw_weights, rarity_weights
from polyscene.data.windows import Windows
from polyscene.errors import ConfigError

COUNTS = np.array(  # rows of each user by phase: TRAIN, KNOWN, VALIDATION, TEST, COLD
    [[9, 0, 1, 1, 0], [0, 4, 0, 1, 2], [1, 0, 1, 1, 0], [3, 0, 0, 0, 1], [4, 0, 1, 1, 0], [20, 0, 1, 1, 3]]
)


def make_events(counts: np.ndarray = COUNTS, *, ordered: bool = True) -> Events:
    """Row ``r`` holds item ``r``, so that a window's items are its rows."""
    rows = int(counts.sum())
    stop = counts.cumsum().reshape(counts.shape)
    start = np.concatenate([(stop - counts)[:, :1], stop], axis=1)
    return Events(
        item_R=torch.arange(rows, dtype=torch.int32),
        value_R=torch.arange(rows, dtype=torch.float32) / 10,
        time_R=1000 + torch.arange(rows),
        start_UP=torch.from_numpy(start),
        n_items=rows,
        cold_N=torch.zeros(rows, dtype=torch.bool),
        cold_U=torch.zeros(len(counts), dtype=torch.bool),
        ordered=ordered,
        columns={"code": -torch.arange(rows, dtype=torch.int32)},
    )


def every_place(sampler: WindowSampler, monkeypatch: pytest.MonkeyPatch) -> Windows:
    """Each window that the sampler can draw, as often as it would come up in as many draws as it has places."""
    monkeypatch.setattr(torch, "randint", lambda high, *_, **__: torch.arange(high))
    return sampler.draw(sampler.n_places, step_generator(0, 0, "cpu"))


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 50])
def test_every_training_row_is_equally_likely(length: int, ordered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    events = make_events(ordered=ordered)
    windows = every_place(WindowSampler(events, length), monkeypatch)
    drawn = Counter(windows.row_BT[windows.valid_BT].tolist())
    _, train = events.rows([Phase.TRAIN])
    assert drawn == dict.fromkeys(train.tolist(), length)


@pytest.mark.parametrize("length", [1, 3, 50])
def test_a_window_is_a_stretch_of_one_user(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = make_events()
    windows = every_place(WindowSampler(events, length), monkeypatch)
    start_UP = events.start_UP.tolist()
    assert windows.row_BT.shape == windows.valid_BT.shape == (len(windows.user_B), length)
    for user, rows, valid in zip(windows.user_B.tolist(), windows.row_BT, windows.valid_BT, strict=True):
        held = rows[valid].tolist()
        assert held, "an empty window"
        assert valid.tolist() == [True] * len(held) + [False] * (length - len(held))
        assert held == list(range(held[0], held[0] + len(held)))
        assert start_UP[user][Phase.TRAIN] <= held[0] <= held[-1] < start_UP[user][Phase.TRAIN + 1]


def test_a_window_carries_what_its_rows_hold() -> None:
    events = make_events()
    windows = WindowSampler(events, 4).draw(50, step_generator(1, 2, "cpu"))
    assert torch.equal(windows.item_BT, events.item_R[windows.row_BT].long())
    assert torch.equal(windows.value_BT, events.value_R[windows.row_BT])
    assert torch.equal(windows.time_BT, events.time_R[windows.row_BT])
    assert torch.equal(windows.columns["code"], events.columns["code"][windows.row_BT])
    assert torch.equal(windows.length_B, windows.valid_BT.sum(dim=1))
    assert windows.ordered


def test_rows_without_order_are_shuffled_evenly() -> None:
    events = make_events(np.array([[3, 0, 0, 1, 0]]), ordered=False)
    windows = WindowSampler(events, 3).draw(6000, step_generator(0, 0, "cpu"))
    orders = Counter(map(tuple, windows.item_BT.tolist()))
    assert len(orders) == 6
    assert min(orders.values()) > 850  # 1000 expected, standard deviation 29
    assert not windows.ordered


def test_users_and_rows_really_come_up_alike() -> None:
    """The same by drawing: chi-square over all training rows (99.9 % quantile at 36 degrees of freedom: 68)."""
    events, length = make_events(), 4
    windows = WindowSampler(events, length).draw(20_000, step_generator(3, 4, "cpu"))
    _, train = events.rows([Phase.TRAIN])
    drawn = np.bincount(windows.row_BT[windows.valid_BT], minlength=len(events.item_R))[train]
    expected = drawn.sum() / len(train)
    # Rows of one window come together, which spreads counts at most as much as windows of that length.
    assert ((drawn - expected) ** 2 / expected).sum() < length * 68


def test_the_same_seed_and_step_give_the_same_batch() -> None:
    def items(seed: int, step: int) -> list[list[int]]:
        samplers = {name: WindowSampler(make_events(), 3) for name in ("a", "b")}
        batch = MixedSampler(samplers, {"a": 1.0, "b": 1.0}, Share(0.5, 60, 2), seed).draw(step)
        return [batch[name].item_BT.flatten().tolist() for name in ("a", "b")]

    assert items(0, 7) == items(0, 7)
    assert items(0, 7) != items(0, 8)
    assert items(0, 7) != items(1, 7)
    a, b = items(0, 7)
    assert a != b, "scenarios must not draw the same places"


@pytest.mark.parametrize(("temperature", "expected"), [(1.0, (900, 100)), (0.5, (750, 250)), (0.0, (500, 500))])
def test_shares_follow_rows_to_the_power_of_the_temperature(temperature: float, expected: tuple[int, int]) -> None:
    sizes = {"large": 900, "small": 100}
    samplers = {name: WindowSampler(make_events(np.array([[n, 0, 0, 1, 0]])), 1) for name, n in sizes.items()}
    batch = MixedSampler(samplers, dict.fromkeys(sizes, 1.0), Share(temperature, 1000, 2), 0).draw(0)
    assert tuple(len(batch[name].user_B) for name in sizes) == expected


def test_shares_count_rows_not_windows_and_follow_the_weights() -> None:
    samplers = {name: WindowSampler(make_events(), length) for name, length in (("short", 1), ("long", 10))}
    batch = MixedSampler(samplers, {"short": 1.0, "long": 3.0}, Share(0.5, 400, 2), 0).draw(0)
    assert {name: windows.item_BT.numel() for name, windows in batch.items()} == {"short": 100, "long": 300}


def test_a_limit_on_scenarios_takes_all_of_them_in_turn() -> None:
    samplers = {name: WindowSampler(make_events(), 1) for name in "abcde"}
    mixed = MixedSampler(samplers, dict.fromkeys("abcde", 1.0), Share(0.5, 100, 2), 0)
    batches = [mixed.draw(step) for step in range(300)]
    assert {len(batch) for batch in batches} == {2}
    assert all(sum(windows.item_BT.numel() for windows in batch.values()) == 100 for batch in batches)
    drawn = Counter(name for batch in batches for name in batch)
    assert all(80 < drawn[name] < 160 for name in "abcde"), drawn  # 120 expected, standard deviation 8.5


def test_every_row_comes_once_before_any_comes_twice() -> None:
    events = make_events()
    sampler = RowSampler(events, seed=3)
    wanted = sorted(events.rows([Phase.TRAIN])[1].tolist())
    generator = step_generator(0, 0, "cpu")
    count = 7
    drawn: list[int] = []
    for step in range(3 * len(wanted)):
        drawn += sampler.draw(count, generator, step * count).row_BT[:, 0].tolist()
    orders = [drawn[start : start + len(wanted)] for start in range(0, 3 * len(wanted), len(wanted))]
    assert [sorted(order) for order in orders] == [wanted] * 3
    assert len({tuple(order) for order in orders}) == 3
    # A step draws the same rows whatever was drawn before: resumed runs go on as they would have.
    again = RowSampler(events, seed=3).draw(count, generator, 5 * count)
    assert again.row_BT[:, 0].tolist() == drawn[5 * count : 6 * count]
    users, rows = events.rows([Phase.TRAIN])
    assert dict(zip(rows.tolist(), users.tolist(), strict=True)) | dict(
        zip(again.row_BT[:, 0].tolist(), again.user_B.tolist(), strict=True)
    ) == dict(zip(rows.tolist(), users.tolist(), strict=True))


@pytest.mark.parametrize("at_once", [2, 6])
def test_scenarios_that_take_turns_go_through_their_rows_evenly(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    samplers = {name: RowSampler(make_events(), seed=number) for number, name in enumerate("abcdef")}
    mixed = MixedSampler(samplers, dict.fromkeys(samplers, 1.0), Share(0.5, 12, at_once), 0)
    orders: list[int] = []
    shuffle = torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda n, **more: (orders.append(n), shuffle(n, **more))[1])
    rows = samplers["a"].n_rows
    drawn = torch.cat([one.row_BT[:, 0] for step in range(6 * rows) for one in mixed.draw(step).values()])
    assert len(drawn) == 12 * 6 * rows
    share_R = torch.bincount(drawn)[make_events().rows([Phase.TRAIN])[1]] / len(drawn)
    assert torch.allclose(share_R, torch.full((rows,), 1 / rows), rtol=0 if at_once == 6 else 0.25, atol=1e-6)
    # Whoever comes up more rarely takes more rows then: no order is begun before the last one is nearly through.
    assert orders.count(rows) < 2.2 * len(drawn) / rows


def weights_of(events: Events) -> torch.Tensor:
    """Weights from 0 to 30, heavy and light ones side by side."""
    return torch.tensor([0.0, 1.0, 30.0, 0.2, 2.0])[torch.arange(len(events.item_R)) * 3 % 5]


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 50])
def test_rows_are_labels_as_often_as_their_weights_say(length: int, ordered: bool) -> None:
    events = make_events(ordered=ordered)
    weight_R = weights_of(events)
    windows = WindowSampler(events, length, weight_R).draw(40_000, step_generator(0, 0, "cpu"))
    assert windows.labelled_BT is not None
    assert not (windows.labelled_BT & ~windows.valid_BT).any()
    drawn_R = torch.bincount(windows.row_BT[windows.labelled_BT], minlength=len(weight_R))
    train = torch.from_numpy(events.rows([Phase.TRAIN])[1])
    expected = weight_R[train] / weight_R[train].sum()
    assert drawn_R.sum() == drawn_R[train].sum()
    assert torch.allclose(drawn_R[train] / drawn_R.sum(), expected, atol=4e-3)


def test_equal_weights_draw_as_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    events = make_events()
    sampler = WindowSampler(events, 4, torch.full((len(events.item_R),), 0.3))
    monkeypatch.setattr(WindowSampler, "_places", lambda self, *_: torch.arange(self.n_places))
    windows = sampler.draw(0, step_generator(0, 0, "cpu"))
    assert torch.equal(windows.labelled_BT, windows.valid_BT)
    stretch_P = sampler.mark_P.diff()
    assert stretch_P.max() - stretch_P.min() <= 2, "places share the marks evenly, but for rounding"


def test_a_pass_over_rows_holds_each_as_often_as_its_weight_says() -> None:
    events = make_events()
    weight_R = weights_of(events)
    sampler = RowSampler(events, seed=3, weights_R=weight_R)
    passes = [
        torch.bincount(
            sampler.draw(sampler.n_rows, torch.Generator(), step * sampler.n_rows).row_BT[:, 0],
            minlength=len(weight_R),
        )
        for step in range(200)
    ]
    train = torch.from_numpy(events.rows([Phase.TRAIN])[1])
    expected = sampler.n_rows * weight_R[train] / weight_R[train].sum()
    counts = torch.stack(passes)[:, train]
    assert (counts >= expected.floor()).all()
    assert (counts <= expected.ceil()).all()
    assert torch.allclose(counts.double().mean(0), expected.double(), atol=0.1)
    assert not torch.equal(
        sampler.draw(9, torch.Generator(), 0).row_BT, sampler.draw(9, torch.Generator(), 9).row_BT
    )


def test_rare_items_count_more_by_the_exponent() -> None:
    events = make_events(np.array([[4, 0, 0, 3, 0]]))
    events.item_R[:] = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    for exponent, share in ((0.0, 0.25), (0.5, 1 / (1 + 3**0.5)), (1.0, 0.5)):
        weight_M = rarity_weights(events, exponent)[:4]
        assert weight_M[3] / weight_M.sum() == pytest.approx(share)


def test_what_a_task_asks_for_multiplies_rarity() -> None:
    events = make_events(np.array([[4, 0, 0, 3, 0]]))
    events.item_R[:] = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    asked = torch.tensor([1.0, 2.0, 1.0, 3.0, 0.0, 0.0, 0.0])
    assert draw_weights(events, None, 0.0) is None
    assert draw_weights(events, asked, 0.0) is asked
    both = draw_weights(events, asked, 1.0)
    assert both[:4].tolist() == pytest.approx([1 / 3, 2 / 3, 1 / 3, 3])


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([1.0] * 3, "for 56 rows"),
        ([-1.0] * 56, "0 or more"),
        ([0.0] * 56, "not all 0"),
        ([float("nan")] * 56, "finite"),
    ],
)
def test_weights_that_nothing_can_be_drawn_by(weights: list[float], found: str) -> None:
    events = make_events()
    for make in (lambda w: WindowSampler(events, 3, w), lambda w: RowSampler(events, 0, w)):
        with pytest.raises(ConfigError, match=found):
            make(torch.tensor(weights))
