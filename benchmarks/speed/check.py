"""Has anything become slower than the results that are kept? Short versions of the benchmarks that give ratios.

A figure is a loss where the median of now is worse than the kept one by more than a tenth, and by more than three
standard errors of the two medians together (1.25 s / sqrt(n) each). Seconds differ between machines and days,
ratios of two sides that take turns much less. What looks like a loss is measured once more, and only counts if it
is one again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.results import read_results

SHARE, ERRORS = 0.1, 3.0
ROUNDS = 9
KINDS = ("gate", "lora", "mmoe")


@dataclass(frozen=True)
class Kept:
    """A ratio in a results file.

    Args:
        name: of the file.
        scenario, method, metric: of its row.
        higher_is_better: whether a smaller ratio is the loss.
    """

    name: str
    scenario: str
    method: str
    metric: str
    higher_is_better: bool = False


Values = Sequence[float]
Measured = Iterator[tuple[Kept, Values]]


def losses(say: Callable[[str], None]) -> list[Kept]:
    """What is slower than kept, after a second look.

    Args:
        say: receives a line for each figure.
    """
    kept, found = read_results(), []
    for measure in CHECKS:
        suspects = _worse(measure, kept, say)
        if suspects:
            say("once more, as that looks like a loss")
            again = _worse(measure, kept, say)
            found += [figure for figure in suspects if figure in again]
    return found


def _worse(
    measure: Callable[[], Measured], kept: Mapping[str, Sequence[Mapping[str, Any]]], say: Callable[[str], None]
) -> list[Kept]:
    found = []
    for figure, values in measure():
        row = row_of(figure, kept)
        what = f"{figure.name}: {figure.scenario}, {figure.method}, {figure.metric}"
        words = f"{what}: {statistics.median(values):.3f}"
        if row is None:
            say(f"{words}; nothing kept to compare with")
            continue
        bad = is_loss(figure, values, row)
        say(f"{words}, kept {row['mean']:.3f}, may be {limit(figure, values, row):.3f}{'  LOSS' if bad else ''}")
        found += [figure] if bad else []
    return found


def row_of(figure: Kept, kept: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[str, Any] | None:
    """The kept row of a figure, None where that was never measured."""
    wanted = (figure.scenario, figure.method, figure.metric)
    rows = kept.get(figure.name, ())
    return next((row for row in rows if (row["scenario"], row["method"], row["metric"]) == wanted), None)


def limit(figure: Kept, values: Values, row: Mapping[str, Any]) -> float:
    """The worst median that is no loss."""
    now = (statistics.stdev(values) if len(values) > 1 else 0.0) / math.sqrt(len(values))
    before = (row["std"] or 0.0) / math.sqrt(len(row["seeds"]))
    allowed = max(SHARE * row["mean"], ERRORS * 1.25 * math.hypot(now, before))
    return row["mean"] - allowed if figure.higher_is_better else row["mean"] + allowed


def is_loss(figure: Kept, values: Values, row: Mapping[str, Any]) -> bool:
    """Whether values of now are worse than a kept row beyond noise."""
    now, bound = statistics.median(values), limit(figure, values, row)
    return now < bound if figure.higher_is_better else now > bound


def _step() -> Measured:
    """A step of the engine against the plain loop."""
    from benchmarks.speed import step

    found = step.measure(("video",), ROUNDS, 4)
    yield Kept("step", "video", "engine", "time against plain"), found["engine", "time against plain"]


def _adapters() -> Measured:
    """Steps with many scenarios, and serving them mixed."""
    from benchmarks.speed import adapters
    from polyscene.registry.host import load_host

    host = load_host()
    for kind in KINDS:
        for (_, metric), values in adapters.measure(host.component("adapter", kind), ROUNDS, 4).items():
            if "against" in metric:
                yield Kept("adapters_speed", "generated", kind, metric), values


def _meta() -> Measured:
    """An outer gradient against the clone loop."""
    from benchmarks.speed import meta

    ours, loop = meta.vectorized(32), meta.clone_loop(32)
    fast, slow = meta.in_turns(ours.step, loop.step, ROUNDS, 0.2)
    ratios = [theirs / mine for mine, theirs in zip(fast, slow, strict=True)]
    metric = "times faster than the clone loop"
    yield Kept("meta_speed", "32 tasks", "fast parameters", metric, higher_is_better=True), ratios


def _suffix() -> Measured:
    """Adapters inside the backbone, served mixed."""
    import torch

    from benchmarks.speed import suffix

    torch.manual_seed(0)
    for one in suffix.serving(suffix.Texts())[:1]:
        mine, theirs = suffix.in_turns(one.one, one.other, ROUNDS, 0.5)
        ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
        yield Kept("suffix", one.scenario, one.name, f"time against {one.against}"), ratios


def _growth() -> Measured:
    """A step over many scenarios."""
    from benchmarks.speed import growth

    for label, at_most in growth.WAYS.items():
        seconds = growth.scenario_steps(at_most, (growth.FEW, 50), ROUNDS)
        ratios = [many / few for many, few in zip(seconds[50], seconds[growth.FEW], strict=True)]
        yield Kept("growth", "50", label, f"against {growth.FEW}"), ratios


CHECKS: tuple[Callable[[], Measured], ...] = (_step, _adapters, _meta, _suffix, _growth)
