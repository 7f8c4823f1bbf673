"""What a balancer costs: a training step against one of the plain mean.

Generated scenarios that are all alike, with the default model, 2,048 rows a step. Both sides draw the same batches
and take turns, a few steps each, on one thread; times are processor seconds, and a ratio is the median over pairs.
``K backward passes`` computes UPGrad's Jacobian by going back through the graph of all rows once per scenario; it
must be the balancer's own to 1e-5, else nothing is timed.

    python -m benchmarks.speed.balancers
    python -m benchmarks.speed.balancers --scenarios 20 --balancers upgrad
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.results import write_results
from benchmarks.speed.figures import figure_row
from benchmarks.speed.many import config_of, host
from polyscene.config.choice import chosen
from polyscene.data.windows import Windows
from polyscene.training.assembly import build_model
from polyscene.training.balancers import Balancer
from polyscene.training.balancers.jacobian import Jacobian
from polyscene.training.balancers.upgrad import UpgradBalancer
from polyscene.training.fit import Fitting, Progress, task_weights
from polyscene.training.optimizer import build_optimizer
from polyscene.training.session import Session, prepare_torch
from polyscene.training.step import Step, seed_step

ROWS = 2048
PLAIN, PASSES = "mean", "upgrad by K backward passes"
TOLERANCE = 1e-5
SETS = {5: ["upgrad"], 20: [], 50: ["upgrad"]}  # none named: every kind


def main() -> None:
    """Verify, time, print and write ``results/balancers.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of timings (9)")
    parser.add_argument("--steps", type=int, default=4, help="steps of a timing (4)")
    parser.add_argument("--scenarios", type=int, help="only this number of them; nothing is written")
    parser.add_argument("--balancers", nargs="*", help="only these; nothing is written")
    arguments = parser.parse_args()
    partial = bool(arguments.scenarios or arguments.balancers)
    sets = {arguments.scenarios: []} if arguments.scenarios else SETS
    rows, table = [], Table("scenarios", "balancer", "figure", "median", "lowest", "highest")
    for count, named in sets.items():
        for (method, metric), values in measure(count, arguments.balancers or named, arguments).items():
            numbers = (statistics.median(values), min(values), max(values))
            table.add_row(str(count), method, metric, *(f"{number:.4g}" for number in numbers))
            protocol = f"training step, {ROWS:,} rows, one thread, median of pairs of {arguments.steps}"
            command = "python -m benchmarks.speed.balancers"
            rows.append(figure_row(protocol, f"{count} generated", method, metric, values, command=command))
    Console().print(table)
    if not partial:
        write_results("balancers", rows)


def measure(count: int, named: list[str], arguments: argparse.Namespace) -> dict[tuple[str, str], list[float]]:
    """Figures by balancer and metric, one value per pair of timings."""
    trainer = Trainer(count)
    everything = [name for name in trainer.known if name != PLAIN]
    methods: dict[str, Balancer] = {name: trainer.balancer(name) for name in named or everything}
    if "upgrad" in methods and count < 50:
        difference = trainer.difference()
        if difference > TOLERANCE:
            sys.exit(f"{count} scenarios: the Jacobian differs by {difference:.1e}")
        methods[PASSES] = Passes(None, trainer.names)
    plain = trainer.balancer(PLAIN)
    found: dict[tuple[str, str], list[float]] = {}
    for name, balancer in methods.items():
        for number in range(2):
            trainer.step(plain, number)
            trainer.step(balancer, number)
        for turn in range(arguments.rounds):
            seconds = {}
            for side in sorted((PLAIN, name), reverse=turn % 2 == 1):
                used = plain if side == PLAIN else balancer
                started = time.process_time()
                for number in range(arguments.steps):
                    trainer.step(used, turn * arguments.steps + number)
                seconds[side] = (time.process_time() - started) / arguments.steps
            found.setdefault((PLAIN, "milliseconds per step"), []).append(1e3 * seconds[PLAIN])
            found.setdefault((name, "time against the mean"), []).append(seconds[name] / seconds[PLAIN])
    return found


class Trainer:
    """The engine's training of generated scenarios, one model for all balancers."""

    def __init__(self, count: int) -> None:
        self.host = host()
        self.config = config_of(self.host, count, f"trainer.batch_rows={ROWS}")
        prepare_torch(self.config)
        fabric = Fabric(accelerator="cpu", devices=1)
        session = Session(self.config, self.host, fabric.device, say=lambda _: None)
        loaded = session.load()
        self.names = list(loaded.scenarios)
        self.model, learned = build_model(session, loaded)
        fitting = Fitting(self.model, learned, self.config, loaded.scenarios, {}, fabric, Path(), Progress(), ROWS)
        self.sampler = fitting._sampler()
        self.optimizer = build_optimizer(self.model, self.config.trainer)
        wrapped = fabric.setup_module(self.model)
        wrapped.train()
        self.context = Step(self.model, wrapped, fabric, task_weights(loaded.scenarios))
        self.known = self.host.registry.names("balancer")

    def balancer(self, name: str) -> Balancer:
        """A balancer with its default options."""
        return chosen("balancer", name, self.host).build(names=self.names)

    def step(self, balancer: Balancer, number: int) -> None:
        """One whole training step."""
        seed_step(self.config.seed, number)
        batch = self.sampler.draw(number)
        losses = balancer.backward(self.context, batch, last=True)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.trainer.clip)
        self.optimizer.step()
        balancer.after_step(self.context, number, batch, losses)
        self.optimizer.zero_grad(set_to_none=True)

    def difference(self) -> float:
        """Largest difference of the two Jacobians, in parts of the largest number, without dropout."""
        self.model.eval()
        batch = self.sampler.draw(0)
        one, other = Jacobian(self.model), Jacobian(self.model)
        for name, windows in batch.items():
            with one.row(name):
                self.context.own_losses({name: windows})[name].backward()
        by_passes(other, self.context.own_losses(batch))
        ours, theirs = one.stacked(self.names), other.stacked(self.names)
        self.model.zero_grad(set_to_none=True)
        self.model.train()
        return float((ours - theirs).abs().max() / theirs.abs().max())


def by_passes(jacobian: Jacobian, losses: Mapping[str, Tensor], share: float = 1.0) -> None:
    """Gather gradients by one backward pass per loss through the graph that all of them have in common."""
    for name, loss in losses.items():
        with jacobian.row(name, share):
            (loss * share).backward(retain_graph=True)


class Passes(UpgradBalancer):
    """UPGrad on a Jacobian of K backward passes through one graph."""

    def backward(self, step: Step, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        jacobian = self._jacobian = self._jacobian or Jacobian(step.model)
        losses = step.losses(batch)
        by_passes(jacobian, losses, 1 / len(batch))
        self._finish(step, jacobian, losses)
        jacobian.clear()
        return {name: loss.detach() for name, loss in losses.items()}


if __name__ == "__main__":
    main()
