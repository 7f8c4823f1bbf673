"""What an adapter costs: a training step with few and many scenarios, and a mixed batch against none.

Training: forward, backward and AdamW step of one bank on the same 2,048 rows of width 64, scenario by scenario, as
the engine lays them; with 5, 50 and 500 scenarios in turn. Inference: a batch of 64 rows over 50 scenarios in any
order, after a causal transformer of 2 layers over histories of 50 steps, against that transformer alone; nothing
else of a model's forward is counted, so the ratio is an upper bound. Every kind has its default options and random
weights. One thread; times are processor seconds, and a ratio is the median over pairs that take turns.

    python -m benchmarks.speed.adapters
    python -m benchmarks.speed.adapters --kinds gate mmoe --rounds 15
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.results import write_results
from benchmarks.speed.figures import figure_row
from polyscene.adapters import AdapterBank, Routing
from polyscene.registry.components import Component
from polyscene.registry.host import load_host
from polyscene.sequence.causal_transformer import CausalTransformer, CausalTransformerConfig

WIDTH, ROWS, MIXED_ROWS, HISTORY = 64, 2048, 64, 50
FEW, MANY, GROWTH = 5, 50, 500
TRAINING = f"training step, {ROWS:,} rows of width {WIDTH} in segments, one thread"
INFERENCE = f"inference, {MIXED_ROWS} rows over {MANY} scenarios after a 2-layer transformer, one thread"

Figures = dict[tuple[str, str], list[float]]


def main() -> None:
    """Time, print and write ``results/adapters_speed.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="pairs of timings (15)")
    parser.add_argument("--steps", type=int, default=4, help="steps of a timing (4)")
    parser.add_argument("--kinds", nargs="*", help="only these kinds; nothing is written")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    host = load_host()
    kinds = arguments.kinds or host.registry.names("adapter")
    rows, table = [], Table("adapter", "protocol", "figure", "median", "lowest", "highest")
    for kind in kinds:
        component = host.component("adapter", kind)
        # By the formula a row of such a kind goes through the experts of all scenarios.
        label = f"{kind} (hears all scenarios)" if build(component, 2).joint_parameters() else kind
        for (protocol, metric), values in measure(component, arguments.rounds, arguments.steps).items():
            numbers = (statistics.median(values), min(values), max(values))
            table.add_row(label, protocol.split(",")[0], metric, *(f"{number:.4g}" for number in numbers))
            command = "python -m benchmarks.speed.adapters"
            rows.append(figure_row(protocol, "generated", label, metric, values, command=command))
    Console().print(table)
    if not arguments.kinds:
        write_results("adapters_speed", rows)


def measure(component: Component, rounds: int, steps: int) -> Figures:
    """Figures of one kind by protocol and metric, one value per pair of timings."""
    found: Figures = {}
    training = {count: training_step(component, count) for count in (FEW, MANY, GROWTH)}
    for seconds in take_turns(training, rounds, steps):
        found.setdefault((TRAINING, f"milliseconds at {FEW} scenarios"), []).append(1e3 * seconds[FEW])
        for count in (MANY, GROWTH):
            found.setdefault((TRAINING, f"{count} against {FEW}"), []).append(seconds[count] / seconds[FEW])
    inference = mixed_inference(component)
    for seconds in take_turns(inference, rounds, steps):
        found.setdefault((INFERENCE, "milliseconds without"), []).append(1e3 * seconds["alone"])
        found.setdefault((INFERENCE, "against no adapter"), []).append(seconds["adapted"] / seconds["alone"])
    parameters = build(component, 1).parameters_per_scenario()
    found[TRAINING, "parameters per scenario"] = [parameters]
    return found


def take_turns(sides: dict, rounds: int, steps: int) -> list[dict]:
    """Mean processor seconds of each side, round by round; every other round in the opposite order."""
    for step in sides.values():
        for _ in range(3):
            step()
    return [
        {side: timed(sides[side], steps) for side in (list(sides) if turn % 2 else reversed(sides))}
        for turn in range(rounds)
    ]


def timed(step: Callable[[], None], steps: int) -> float:
    """Processor seconds of one step."""
    started = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - started) / steps


def training_step(component: Component, n_scenarios: int) -> Callable[[], None]:
    """A step of training of a bank, on rows that need a gradient too, as states and item vectors do."""
    bank = build(component, n_scenarios).train()
    parameters = list(bank.parameters())
    optimizer = torch.optim.AdamW(parameters, fused=True) if parameters else None
    h_Nd = torch.randn(ROWS, WIDTH, requires_grad=True)
    pull_Nd = torch.randn(ROWS, WIDTH)
    bounds = [ROWS * k // n_scenarios for k in range(n_scenarios + 1)]
    counts = [(k, bounds[k + 1] - bounds[k]) for k in range(n_scenarios)]
    routing = Routing.of_segments(counts, "cpu", personal_Nd=torch.randn(ROWS, WIDTH))

    def step() -> None:
        (bank(h_Nd, routing) * pull_Nd).mean().backward()
        bank.settle()
        h_Nd.grad = None
        if optimizer:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return step


def mixed_inference(component: Component, n_scenarios: int = MANY) -> dict[str, Callable[[], None]]:
    """A transformer's forward with and without the bank after it, on rows of scenarios in any order."""
    sequence = CausalTransformer(CausalTransformerConfig(), WIDTH, HISTORY).eval()
    bank = build(component, n_scenarios).eval()
    x_BTd, start_Bd = torch.randn(MIXED_ROWS, HISTORY, WIDTH), torch.randn(MIXED_ROWS, WIDTH)
    ordered_B = torch.ones(MIXED_ROWS, dtype=torch.bool)
    routing = Routing(index_N=torch.arange(MIXED_ROWS) * 7 % n_scenarios, personal_Nd=start_Bd)

    @torch.inference_mode()
    def alone() -> None:
        sequence(x_BTd, start_Bd, ordered_B)

    @torch.inference_mode()
    def adapted() -> None:
        bank(sequence(x_BTd, start_Bd, ordered_B)[:, -1], routing)

    return {"alone": alone, "adapted": adapted}


def build(component: Component, n_scenarios: int) -> AdapterBank:
    """A bank of the kind with its default options, as if it had been trained."""
    torch.manual_seed(0)
    options = component.config() if component.config else None
    bank: AdapterBank = component.build(options, d_model=WIDTH, n_scenarios=n_scenarios)
    with torch.no_grad():
        for parameter in bank.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return bank


if __name__ == "__main__":
    main()
