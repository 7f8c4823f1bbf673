"""What counts as a loss of speed, and what is noise."""

from __future__ import annotations

import pytest

from benchmarks.speed import check
from benchmarks.speed.check import Kept, is_loss, losses, row_of

SLOW = Kept("step", "video", "engine", "time against plain")
FAST = Kept("meta_speed", "32 tasks", "fast parameters", "times faster", higher_is_better=True)


def row(figure: Kept, mean: float, std: float | None, count: int = 9) -> dict[str, object]:
    seeds = list(range(count))
    fields = {"scenario": figure.scenario, "method": figure.method, "metric": figure.metric}
    return {**fields, "mean": mean, "std": std, "seeds": seeds}


@pytest.mark.parametrize(
    ("figure", "now", "std", "loss"),
    [
        (SLOW, [1.08, 1.09, 1.10], 0.01, False),  # within a tenth
        (SLOW, [1.14, 1.15, 1.16], 0.01, True),
        (SLOW, [1.14, 1.15, 1.16], 0.30, False),  # the kept median is uncertain itself: 3.75 x 0.3 / 3
        (SLOW, [0.80, 1.15, 1.50], 0.01, False),  # and so may be that of now
        (SLOW, [0.50, 0.50, 0.50], 0.01, False),  # faster is no loss
        (FAST, [0.85, 0.86, 0.87], 0.01, True),
        (FAST, [1.50, 1.50, 1.50], 0.01, False),
    ],
)
def test_a_loss_is_beyond_a_tenth_and_beyond_noise(figure: Kept, now: list[float], std: float, loss: bool) -> None:
    assert is_loss(figure, now, row(figure, 1.0, std)) is loss


def test_a_loss_must_be_seen_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    once, always = iter([2.0, 1.0]), 2.0
    said: list[str] = []
    kept = {figure.name: [row(figure, 1.0, 0.01)] for figure in (SLOW, FAST)}
    other = Kept("step", "kg", "engine", "time against plain")

    def measure():  # type: ignore[no-untyped-def]
        yield SLOW, [next(once)] * 3
        yield other, [always] * 3

    monkeypatch.setattr(check, "CHECKS", (measure,))
    monkeypatch.setattr(check, "read_results", lambda: kept)
    assert losses(said.append) == []
    assert sum("LOSS" in line for line in said) == 1
    assert any("kg" in line and "nothing kept" in line for line in said)
    once = iter([2.0, 2.0])
    assert losses(said.append) == [SLOW]
    assert row_of(other, kept) is None


def test_every_check_finds_its_kept_figures() -> None:
    """Names in the results files are those that the checks look for."""
    kept = check.read_results()
    for figure in (
        Kept("step", "video", "engine", "time against plain"),
        *(Kept("adapters_speed", "generated", kind, "500 against 5") for kind in check.KINDS),
        *(Kept("adapters_speed", "generated", kind, "against no adapter") for kind in check.KINDS),
        Kept("meta_speed", "32 tasks", "fast parameters", "times faster than the clone loop"),
        Kept("suffix", "50 scenarios, serving", "last two layers, rows in any order", "time against no adapters"),
    ):
        assert row_of(figure, kept) is not None, figure
