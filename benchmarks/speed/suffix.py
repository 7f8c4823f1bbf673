"""Adapters inside the backbone: what a cached prefix saves, and what mixing scenarios in a batch costs.

Training: one step of LoRA (rank 8, queries and values) on 64 texts of 32 tokens, in the last two of MiniLM's six
layers over cached states, against all six layers computed anew, by our bank (tune=full) and by plain peft.
Serving: 64 rows of 50 scenarios, each row through its scenario's LoRA, against the same layers without adapters.
Two sides take turns on one thread. Times are processor seconds, which other load on the machine moves less than
the clock; a ratio is the median over pairs.

    python -m benchmarks.speed.suffix
    python -m benchmarks.speed.suffix --pairs 15
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import peft
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.results import write_results
from benchmarks.speed.figures import figure_row
from polyscene.adapters.bank import Routing
from polyscene.backbone import Backbone, BackboneConfig, Suffix
from polyscene.backbone.loading import load_encoder
from polyscene.backbone.pooling import pool
from polyscene.data.access import DataAccess

ROWS, TOKENS, SCENARIOS, RANK = 64, 32, 50, 8
LORA = {"name": "lora", "rank": RANK, "alpha": 16}

Timed = Callable[[], None]


def main() -> None:
    """Time, print and write ``results/suffix.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9, help="pairs of timings (9)")
    parser.add_argument("--seconds", type=float, default=1.0, help="least processor time of a timing (1.0)")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    texts = Texts()
    rows: list[dict[str, Any]] = []
    table = Table("what", "against", "median", "lowest", "highest", "ms", "ms against")
    for comparison in [*training(texts), *serving(texts)]:
        one, other = in_turns(comparison.one, comparison.other, arguments.pairs, arguments.seconds)
        ratios = [mine / theirs for mine, theirs in zip(one, other, strict=True)]
        shown = (statistics.median(ratios), min(ratios), max(ratios))
        milliseconds = (1e3 * statistics.median(side) for side in (one, other))
        table.add_row(comparison.name, comparison.against, *(f"{value:.3g}" for value in (*shown, *milliseconds)))
        for metric, values in ((f"time against {comparison.against}", ratios), ("seconds", one)):
            protocol = f"MiniLM, {ROWS} texts of {TOKENS} tokens, LoRA of rank {RANK}, one thread"
            command = "python -m benchmarks.speed.suffix"
            rows.append(
                figure_row(protocol, comparison.scenario, comparison.name, metric, values, command=command)
            )
    Console().print(table)
    if not arguments.dry:
        write_results("suffix", rows)


@dataclass(frozen=True)
class Comparison:
    """Two ways to do a thing."""

    scenario: str
    name: str
    against: str
    one: Timed
    other: Timed


class Texts:
    """Token ids of 64 random texts."""

    def __init__(self) -> None:
        self.ids = torch.randint(1000, 20_000, (ROWS, TOKENS))
        self.mask = torch.ones_like(self.ids)
        self.goal = torch.randn(ROWS, 384)

    def suffix(self, tune: str, peft_options: Any, scenarios: int) -> tuple[Suffix, Tensor]:
        """The layers of a mode with adapters of so many scenarios, and states ``[64, 32, h]`` in 16 bits."""
        backbone = Backbone(BackboneConfig(dtype="float32", tune=tune, peft=peft_options), DataAccess())
        suffix = backbone.suffix_module()
        for number in range(scenarios if peft_options else 0):
            suffix.join(f"scenario{number}")
        with torch.inference_mode():
            states = backbone._below()(input_ids=self.ids, attention_mask=self.mask).last_hidden_state
        with torch.no_grad():  # fresh adapters change nothing; these do
            for parameter in suffix.scenario_parameters().values():
                parameter.add_(0.01 * torch.randn_like(parameter))
        return suffix, states.half().clone()


def training(texts: Texts) -> list[Comparison]:
    """A step with two layers over cached states against all layers anew."""
    what, name = "one scenario, training", "last two layers, cached states"
    two = train_step(texts, *texts.suffix("suffix", LORA, 1))
    six = train_step(texts, *texts.suffix("full", LORA, 1))
    return [
        Comparison(what, name, "all layers", two, six),
        Comparison(what, name, "all layers by peft", two, peft_step(texts)),
    ]


def serving(texts: Texts) -> list[Comparison]:
    """A forward of 64 rows of 50 scenarios against one without adapters."""
    k_B = torch.randint(0, SCENARIOS, (ROWS,))
    counts = [(int(k), int(count)) for k, count in zip(*k_B.unique(return_counts=True), strict=True)]
    routings = {"in any order": Routing(index_N=k_B), "sorted": Routing.of_segments(counts, "cpu")}
    found = []
    for tune, layers in (("suffix", "last two layers"), ("full", "all layers")):
        adapted, states = texts.suffix(tune, LORA, SCENARIOS)
        bare, _ = texts.suffix(tune, None, 0)
        without = forward(texts, bare, states, None)
        for order, routing in routings.items():
            mixed = forward(texts, adapted, states, routing)
            what, name = f"{SCENARIOS} scenarios, serving", f"{layers}, rows {order}"
            found.append(Comparison(what, name, "no adapters", mixed, without))
    return found


def train_step(texts: Texts, suffix: Suffix, states: Tensor) -> Timed:
    """One step of our bank, states read in 16 bits."""
    routing = Routing.of_segments([(0, ROWS)], "cpu")
    parameters = list(suffix.scenario_parameters().values())
    return _step(parameters, lambda: suffix(states.float(), texts.mask, routing), texts)


def peft_step(texts: Texts) -> Timed:
    """One step of peft on the whole model, from token ids."""
    backbone = Backbone(BackboneConfig(dtype="float32"), DataAccess())
    config = peft.LoraConfig(
        r=RANK, lora_alpha=16, target_modules=["query", "value"], task_type="FEATURE_EXTRACTION"
    )
    model = peft.get_peft_model(load_encoder(backbone.folder, torch.device("cpu"), "mean"), config).eval()

    def vectors() -> Tensor:
        states = model(input_ids=texts.ids, attention_mask=texts.mask).last_hidden_state
        return pool(states, texts.mask, "mean", normalize=True)

    return _step([parameter for parameter in model.parameters() if parameter.requires_grad], vectors, texts)


def forward(texts: Texts, suffix: Suffix, states: Tensor, routing: Routing | None) -> Timed:
    """One forward without gradients."""

    @torch.inference_mode()
    def run() -> None:
        suffix(states.float(), texts.mask, routing)

    return run


def _step(parameters: list[nn.Parameter], vectors: Callable[[], Tensor], texts: Texts) -> Timed:
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        (vectors() * texts.goal).sum().backward()
        optimizer.step()

    return run


def in_turns(one: Timed, other: Timed, pairs: int, seconds: float) -> tuple[list[float], list[float]]:
    """Processor seconds of both in each pair of turns; who begins alternates."""
    sides = (one, other)
    repeats = []
    for side in sides:
        side()
        repeats.append(max(1, round(seconds / max(1e-4, _timed(side, 2)))))
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(pairs):
        for number in (0, 1) if turn % 2 else (1, 0):
            found[number].append(_timed(sides[number], repeats[number]))
    return found


def _timed(run: Timed, repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - started) / repeats


if __name__ == "__main__":
    main()
