"""A training step of the engine against a plain PyTorch loop of the same mathematics.

Both start from the same weights; without dropout and on the same batch they must give the same loss to 1e-5, else
nothing is timed. Then they take turns, a few steps each, on one thread: the engine draws its batches, the plain
loop has them ready. Times are processor seconds, which other load on the machine moves less than the clock, and a
ratio is the median over pairs.

    python -m benchmarks.speed.step
    python -m benchmarks.speed.step --rounds 15 --scenarios video
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.results import write_results
from benchmarks.speed.figures import figure_row
from benchmarks.speed.plain import Plain
from benchmarks.speed.plain_entities import Noise
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.registry.host import load_host
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress, task_weights
from polyscene.training.optimizer import build_optimizer
from polyscene.training.session import Session, prepare_torch
from polyscene.training.step import seed_step, step_losses

FIVE = ("video", "music", "ecommerce", "social", "kg")
PARTS = ("batch", "forward", "backward", "optimizer")
TOLERANCE = 1e-5
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

Step = Callable[[int], list[float]]


def main() -> None:
    """Verify, time, print and write ``results/step.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of timings (9)")
    parser.add_argument("--steps", type=int, default=8, help="steps of a timing (8)")
    parser.add_argument("--scenarios", nargs="*", help="only this set of scenarios; nothing is written")
    arguments = parser.parse_args()
    sets = [tuple(arguments.scenarios)] if arguments.scenarios else [("video",), FIVE]
    rows, table = [], Table("scenarios", "figure", "median", "lowest", "highest")
    for names in sets:
        label = ", ".join(names)
        for figure, values in measure(names, arguments.rounds, arguments.steps).items():
            method, metric = figure
            shown = (f"{number:.4g}" for number in (statistics.median(values), min(values), max(values)))
            table.add_row(label, f"{method}: {metric}", *shown)
            protocol = f"batch_rows 1024, one thread, {arguments.steps} steps a turn, median of turns"
            rows.append(
                figure_row(protocol, label, method, metric, values, command="python -m benchmarks.speed.step")
            )
    Console().print(table)
    if not arguments.scenarios:
        write_results("step", rows)


def measure(names: tuple[str, ...], rounds: int, steps: int) -> dict[tuple[str, str], list[float]]:
    """Figures by method and metric, one value per pair of timings."""
    engine = Engine(names)
    difference = engine.difference()
    if difference > TOLERANCE:
        sys.exit(
            f"{', '.join(names)}: the losses differ by {difference:.1e}; benchmarks/speed/plain.py is out of date"
        )
    plain = engine.plain_step(rounds * steps)
    sides: dict[str, Step] = {"engine": engine.step, "plain": plain}
    for step in sides.values():
        for number in range(3):
            step(number)
    found: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds):
        parts: dict[str, list[float]] = {}
        for side in sorted(sides, reverse=turn % 2 == 1):
            timings = [sides[side](turn * steps + number) for number in range(steps)]
            parts[side] = [statistics.mean(part) for part in zip(*timings, strict=True)]
        total, other = sum(parts["engine"]), sum(parts["plain"])
        found.setdefault(("engine", "time against plain"), []).append(total / other)
        found.setdefault(("engine", "seconds per step"), []).append(total)
        found.setdefault(("plain", "seconds per step"), []).append(other)
        for name, seconds in zip(PARTS, parts["engine"], strict=True):
            found.setdefault(("engine", f"share of {name}"), []).append(seconds / total)
    found["engine", "largest difference of the loss"] = [difference]
    return found


class Engine:
    """The engine's training of some scenarios, as :class:`polyscene.training.fit.Fitting` does it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        host = load_host()
        overrides = [f"scenario=[{','.join(names)}]", "trainer.threads=1", "trainer.accelerator=cpu"]
        if not os.environ.get("POLYSCENE_DATA") and DATA.is_dir():
            overrides.append(f"data.root={DATA}")
        self.config = resolve_train(compose("train", overrides, host), host)
        prepare_torch(self.config)
        fabric = Fabric(accelerator="cpu", devices=1)
        session = Session(self.config, host, fabric.device, say=lambda _: None)
        loaded = session.load()
        self.names = list(loaded.scenarios)
        self.model, learned = build_model(session, loaded)
        trainer = self.config.trainer
        fitting = Fitting(
            self.model, learned, self.config, loaded.scenarios, {}, fabric, Path(), Progress(), trainer.batch_rows
        )
        self.sampler, self.weights = fitting._sampler(), task_weights(loaded.scenarios)
        self.balancer = self.config.balancer.build(names=self.names)
        self.fabric = fabric
        self.initial = copy.deepcopy(self.model)
        optimizer = build_optimizer(nn.ModuleList([self.model, self.balancer]), trainer)
        self.wrapped, self.optimizer = fabric.setup(self.model, optimizer)

    def step(self, number: int) -> list[float]:
        """One step; processor seconds of batch, forward, backward and optimizer."""
        marks = [time.process_time()]
        self.wrapped.train()
        seed_step(self.config.seed, number)
        batch = self.sampler.draw(number)
        marks.append(time.process_time())
        loss = self.balancer(step_losses(self.wrapped, batch, self.weights))
        marks.append(time.process_time())
        self.fabric.backward(loss)
        marks.append(time.process_time())
        clip = self.config.trainer.clip
        self.fabric.clip_gradients(self.wrapped, self.optimizer, max_norm=clip, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        marks.append(time.process_time())
        return [after - before for before, after in pairwise(marks)]

    def plain_step(self, batches: int) -> Step:
        """The plain loop's step, from the engine's initial weights and on its batches, drawn beforehand."""
        plain, parameters = self.plain(self.initial, Noise())
        ready = [self.tensors(self.sampler.draw(number)) for number in range(batches)]
        trainer = self.config.trainer
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": trainer.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=trainer.lr, fused=True)

        def step(number: int) -> list[float]:
            started = time.process_time()
            plain.loss(ready[number % len(ready)]).backward()
            nn.utils.clip_grad_norm_(parameters, trainer.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            return [time.process_time() - started]

        return step

    def difference(self) -> float:
        """Largest relative difference of the two losses on the same batches, without dropout."""
        silent = without_dropout(copy.deepcopy(self.initial)).train()
        plain, _ = self.plain(silent, Noise(0.0, 0.0, 0.0))
        found = 0.0
        for number in range(3):
            batch = self.sampler.draw(number)
            with torch.no_grad():
                torch.manual_seed(number)  # both draw the same candidates
                engine = float(self.balancer(step_losses(silent, batch, self.weights)))
                torch.manual_seed(number)
                found = max(found, abs(float(plain.loss(self.tensors(batch))) / engine - 1))
        return found

    def plain(self, model: PolysceneModel, noise: Noise) -> tuple[Plain, list[nn.Parameter]]:
        """The plain mathematics on copies of a model's parameters."""
        parameters = {
            name: nn.Parameter(p.detach().clone(), p.requires_grad) for name, p in model.named_parameters()
        }
        margin = 0.0
        if "kg" in self.names:
            loss: Any = model.get_submodule("tasks.kg.triple.ranking_loss")
            margin = float(loss.config.margin)
        buffers = dict(model.named_buffers())
        trainable = [p for p in parameters.values() if p.requires_grad]
        return Plain(parameters, buffers, self.names, noise, margin), trainable

    def tensors(self, batch: Mapping[str, Windows]) -> dict[str, dict[str, Tensor]]:
        """Windows as plain tensors."""
        return {name: self.of(windows) for name, windows in batch.items()}

    @staticmethod
    def of(windows: Windows) -> dict[str, Tensor]:
        tensors = {
            "user": windows.user_B,
            "row": windows.row_BT,
            "valid": windows.valid_BT,
            "item": windows.item_BT,
            "value": windows.value_BT,
            **windows.columns,
        }
        return tensors | ({"first": windows.first_together_BT()} if windows.together else {})


def without_dropout(model: PolysceneModel) -> PolysceneModel:
    """The model with every probability of dropping something set to 0."""
    for module in model.modules():
        for name in ("content_dropout", "attention_dropout"):
            if hasattr(module, name):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        config: Any = getattr(module, "config", None)
        if hasattr(config, "edge_dropout"):
            config.edge_dropout = 0.0
    return model


if __name__ == "__main__":
    main()
