"""Second-order MAML, all tasks at once, against a loop that clones the module for each task.

A head of 384 -> 32 -> 1 on vectors of texts, 5 inner steps, 16 support and 16 query rows; one outer gradient. The
loop does as the examples of learn2learn do: clone the module (a differentiable copy of every parameter),
adapt by replacing each parameter in the copy, backward from each task's query loss. Both sides take turns in one
process on one thread; a ratio is the median over pairs. The gradients of both are compared first.

Memory: what a task holds of its own when the head stands on a frozen MiniLM, in both ways.

    python -m benchmarks.speed.meta
    python -m benchmarks.speed.meta --pairs 31
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any, cast

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import mse_loss

from benchmarks.results import write_results
from benchmarks.speed.suffix import Timed, in_turns
from polyscene.backbone import Backbone, BackboneConfig
from polyscene.data.access import DataAccess
from polyscene.training.meta.inner import FastParameters, descend

TASKS, WIDTH, HIDDEN, STEPS, ROWS, RATE = (16, 32, 64), 384, 32, 5, 16, 0.1
COMMAND = "python -m benchmarks.speed.meta"
PROTOCOL = f"second-order MAML, {WIDTH} -> {HIDDEN} -> 1, {STEPS} inner steps, {ROWS} + {ROWS} rows, one thread"


def main() -> None:
    """Time, print and write ``results/meta_speed.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of timings (15)")
    parser.add_argument("--seconds", type=float, default=0.3, help="least processor time of a timing (0.3)")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    table = Table("tasks", "figure", "median", "lowest", "highest")
    for count in TASKS:
        ours, loop = vectorized(count), clone_loop(count)
        difference = compare(ours, loop)
        fast, slow = in_turns(ours.step, loop.step, arguments.pairs, arguments.seconds)
        ratios = [theirs / mine for mine, theirs in zip(fast, slow, strict=True)]
        for metric, values in (
            ("times faster than the clone loop", ratios),
            ("seconds", fast),
            ("seconds of the clone loop", slow),
        ):
            rows.append(_row(f"{count} tasks", metric, values))
            shown = (statistics.median(values), min(values), max(values))
            table.add_row(str(count), metric, *(f"{value:.3g}" for value in shown))
        rows.append(_row(f"{count} tasks", "largest difference of gradients", [difference]))
        table.add_row(str(count), "largest difference of gradients", f"{difference:.1e}")
    for metric, value in memory().items():
        rows.append(_row("on a frozen MiniLM", metric, [value]))
        table.add_row("1", metric, f"{value:,.0f}")
    Console().print(table)
    if not arguments.dry:
        write_results("meta_speed", rows)


class Side:
    """One way to an outer gradient.

    Args:
        head: the module whose start is learned.
        step: fills the gradients of its parameters.
    """

    def __init__(self, head: nn.Module, step: Timed) -> None:
        self.head, self.step = head, step


def vectorized(count: int) -> Side:
    """Ours: fast parameters of all tasks in one dictionary, the loss vectorized over tasks."""
    head, (x_ERd, y_ER) = _head(), _data(count)

    def one(fast: FastParameters, x_Rd: Tensor, y_R: Tensor) -> Tensor:
        return mse_loss(functional_call(head, fast, (x_Rd,)).squeeze(-1), y_R)

    losses = vmap(one)

    def step() -> None:
        head.zero_grad()
        start = dict(head.named_parameters())
        fast = descend(
            lambda now: losses(now, x_ERd[:, :ROWS], y_ER[:, :ROWS]),
            start,
            count,
            RATE,
            STEPS,
            second_order=True,
        )
        losses(fast, x_ERd[:, ROWS:], y_ER[:, ROWS:]).mean().backward()

    return Side(head, step)


def clone_loop(count: int) -> Side:
    """Task by task on a differentiable copy of the module."""
    head, (x_ERd, y_ER) = _head(), _data(count)

    def step() -> None:
        head.zero_grad()
        for x_Rd, y_R in zip(x_ERd, y_ER, strict=True):
            learner = cloned(head)
            for _ in range(STEPS):
                loss = mse_loss(learner(x_Rd[:ROWS]).squeeze(-1), y_R[:ROWS])
                gradients = torch.autograd.grad(
                    loss, list(learner.parameters()), retain_graph=True, create_graph=True
                )
                replace_parameters(learner, iter([-RATE * gradient for gradient in gradients]))
            (mse_loss(learner(x_Rd[ROWS:]).squeeze(-1), y_R[ROWS:]) / count).backward()

    return Side(head, step)


def cloned(module: nn.Module) -> nn.Module:
    """A copy of a module and all inside it, its parameters differentiable copies of the original's."""
    copy = module.__new__(type(module))
    copy.__dict__ = module.__dict__.copy()
    parameters = {key: None if p is None else p.clone() for key, p in module._parameters.items()}
    copy.__dict__["_parameters"] = parameters
    copy.__dict__["_buffers"] = module._buffers.copy()
    copy.__dict__["_modules"] = {key: None if m is None else cloned(m) for key, m in module._modules.items()}
    return copy


def replace_parameters(module: nn.Module, updates: Any) -> None:
    """Put ``parameter + update`` in the place of every parameter, in the order in which modules list them."""
    for key, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[key] = cast("nn.Parameter", parameter + next(updates))
    for inner in module._modules.values():
        if inner is not None:
            replace_parameters(inner, updates)


def compare(one: Side, other: Side) -> float:
    """The largest difference between the gradients of both, relative to the largest gradient."""
    gradients = []
    for side in (one, other):
        side.step()
        gradients.append(torch.cat([p.grad.flatten() for p in side.head.parameters() if p.grad is not None]))
    return float((gradients[0] - gradients[1]).abs().max() / gradients[1].abs().max())


def memory() -> dict[str, float]:
    """Bytes that a task holds of its own, of a head on a frozen backbone."""
    from polyscene.backbone.loading import load_encoder  # takes seconds

    backbone = Backbone(BackboneConfig(dtype="float32"), DataAccess())
    encoder = load_encoder(backbone.folder, torch.device("cpu"), "mean").requires_grad_(False)
    whole = nn.ModuleDict({"encoder": encoder, "head": _head()})
    count = 4
    start = {name: p for name, p in whole.named_parameters() if p.requires_grad}
    fast = descend(
        lambda now: torch.stack([sum(v[e].square().sum() for v in now.values()) for e in range(count)]),  # type: ignore[misc]
        start,
        count,
        dict.fromkeys(start, RATE),
        1,
        second_order=True,
    )
    copy = cloned(whole)
    shared = {p.untyped_storage().data_ptr() for p in whole.parameters()}
    own = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in copy.parameters()}
    return {
        "bytes of a task": sum(value.untyped_storage().nbytes() for value in fast.values()) / count,
        "bytes of what is trained": sum(p.numel() * p.element_size() for p in start.values()),
        "bytes of a task of the clone loop": sum(size for key, size in own.items() if key not in shared),
    }


def _head() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))


def _data(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x_ERd = torch.randn(count, 2 * ROWS, WIDTH, generator=generator) / WIDTH**0.5
    target_Ed = torch.randn(count, WIDTH, 1, generator=generator)
    return x_ERd, (x_ERd @ target_Ed).squeeze(-1)


def _row(scenario: str, metric: str, values: list[float]) -> dict[str, Any]:
    return {
        "protocol": PROTOCOL,
        "scenario": scenario,
        "method": "fast parameters",
        "metric": metric,
        "mean": statistics.median(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "seeds": list(range(len(values))),
        "command": COMMAND,
    }


if __name__ == "__main__":
    main()
