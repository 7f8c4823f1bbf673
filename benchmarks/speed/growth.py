"""How a training step grows: with scenarios at fixed rows, with items, with the length of histories; and serving
with adapters loaded.

Everything is generated, the model is the default one, one thread. Sides take turns; times are processor seconds
and every figure is a median over rounds. Interactions, up to 50 million, are those of
``benchmarks.memory.interactions``.

- scenarios: 8,000 rows over 1 to 500 scenarios of 300 items, all of them in every batch, and at most 16 in
  one as by default (``trainer.max_scenarios_per_step``).
- items: 2,048 rows of one scenario of a million interactions; up to 5,000 items the softmax is over all, above
  over 2,048 sampled candidates.
- history: 4,000 rows in windows of 10 to 200 steps.
- adapters: 64 rows over all scenarios that are loaded, after a transformer of 2 layers over 50 steps.

    python -m benchmarks.speed.growth                       # 3 minutes on two quiet cores, 2 GB
    python -m benchmarks.speed.growth --parts items --sizes 1000 10000
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable

import torch

from benchmarks.speed.adapters import mixed_inference
from benchmarks.speed.engine import Training, take_turns
from benchmarks.speed.figures import Figures
from benchmarks.speed.many import config_of, host
from polyscene.registry.host import Host, load_host

SCENARIOS, FEW = (1, 5, 50, 500), 5
WAYS = {"all in a batch": "null", "at most 16 in a batch": "16"}
ITEMS = (1_000, 10_000, 100_000, 1_000_000)
HISTORY = (10, 50, 100, 200)
LOADED, KINDS = (5, 50, 500), ("gate", "bottleneck", "lora")
MILLISECONDS = "milliseconds"

Sizes = tuple[int, ...]


def main() -> None:
    """Measure, print and write ``results/growth.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="timings of each (7)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, help="only these; nothing is written")
    parser.add_argument("--sizes", nargs="*", type=int, help="only these sizes; nothing is written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    figures = Figures("growth", "python -m benchmarks.speed.growth")
    for part in given.parts or PARTS:
        measure, sizes = PARTS[part]
        measure(figures, tuple(given.sizes or sizes), given.rounds)
    figures.finish(whole=not given.parts and not given.sizes)


def scenarios(figures: Figures, sizes: Sizes, rounds: int) -> None:
    """A step by the number of scenarios."""
    for label, limit in WAYS.items():
        seconds = scenario_steps(limit, sizes, rounds)
        base = FEW if FEW in sizes else min(sizes)
        _grown(figures, "training step, 8,000 rows, by scenarios", label, seconds, base)


def scenario_steps(limit: str, sizes: Sizes, rounds: int) -> dict[int, list[float]]:
    """Seconds of a step at each number of scenarios, of which a batch holds at most ``limit``."""
    plugins = host()
    overrides = ("trainer.batch_rows=8000", f"trainer.max_scenarios_per_step={limit}")
    sides = {count: Training(config_of(plugins, count, *overrides), plugins).step for count in sizes}
    return take_turns(sides, rounds, 1)


def items(figures: Figures, sizes: Sizes, rounds: int) -> None:
    """A step by the number of items, one catalogue at a time: the largest takes gigabytes."""
    plugins = host()
    seconds: dict[int, list[float]] = {}
    for count in sizes:
        one = _one(plugins, "trainer.batch_rows=2048", users=20_000, interactions=1_000_000, items=count)
        seconds[count] = take_turns({count: one.step}, rounds, 2)[count]
        del one
        gc.collect()
    _grown(figures, "training step, 2,048 rows, by items", "one scenario", seconds, min(sizes))


def history(figures: Figures, sizes: Sizes, rounds: int) -> None:
    """A step by the length of histories."""
    plugins = host()
    rows = {"users": 400, "interactions": 120_000}
    sides = {length: _one(plugins, "trainer.batch_rows=4000", **rows, max_history=length) for length in sizes}
    seconds = take_turns({length: one.step for length, one in sides.items()}, rounds, 2)
    _grown(figures, "training step, 4,000 rows, by steps of a history", "one scenario", seconds, min(sizes))


def adapters(figures: Figures, sizes: Sizes, rounds: int) -> None:
    """Serving a mixed batch by the number of adapters that are loaded."""
    plugins = load_host()
    for kind in KINDS:
        component = plugins.component("adapter", kind)
        sides = {count: _ignoring(mixed_inference(component, count)["adapted"]) for count in sizes}
        seconds = take_turns(sides, 3 * rounds, 8)
        _grown(figures, "64 rows through their adapters, by adapters loaded", kind, seconds, min(sizes))


PARTS: dict[str, tuple[Callable[[Figures, Sizes, int], None], Sizes]] = {
    "scenarios": (scenarios, SCENARIOS),
    "items": (items, ITEMS),
    "history": (history, HISTORY),
    "adapters": (adapters, LOADED),
}


def _one(plugins: Host, override: str, **sizes: int) -> Training:
    return Training(config_of(plugins, 1, override, **sizes), plugins)


def _ignoring(step: Callable[[], None]) -> Callable[[int], None]:
    return lambda _: step()


def _grown(figures: Figures, protocol: str, method: str, seconds: dict[int, list[float]], base: int) -> None:
    """Milliseconds at each size, and how many times those of the base."""
    for size, values in seconds.items():
        scenario = f"{size:,}"
        figures.add(protocol, scenario, method, MILLISECONDS, [1e3 * value for value in values])
        ratios = [value / other for value, other in zip(values, seconds[base], strict=True)]
        figures.add(protocol, scenario, method, f"against {base:,}", ratios)


if __name__ == "__main__":
    main()
