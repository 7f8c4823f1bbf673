"""Second-order MAML, all tasks at once, against a loop that clones the module for each task.

A head of 384 -> 32 -> 1 on vectors of texts, 5 inner steps, 16 support and 16 query rows; one outer gradient. The
loop does, in our words, what learn2learn does in ``MAML.clone`` and ``MAML.adapt``: a wrapper of a copy of the
module, every parameter (and buffer with a gradient) cloned once by a table of what was seen; a step hangs its
update on each parameter and walks the modules to put the sums in their places, again by such a table. Left out are
its rebuilding of the flat weights of recurrent layers, of which there are none here, and the printing of errors.
Backward goes from each task's query loss. Both sides take turns in one process on one thread, which keeps freed
memory as every training of ours does; a ratio is the median over pairs. The gradients of both are compared first.

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
from benchmarks.speed.figures import figure_row
from benchmarks.speed.suffix import Timed, in_turns
from polyscene.backbone import Backbone, BackboneConfig
from polyscene.data.access import DataAccess
from polyscene.training.memory import keep_freed_memory
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
    keep_freed_memory()
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
    """Task by task on a differentiable copy of the module, with the operations of learn2learn 0.2's ``MAML``."""
    head, (x_ERd, y_ER) = _head(), _data(count)
    whole = CloneLearner(head)

    def step() -> None:
        head.zero_grad()
        for x_Rd, y_R in zip(x_ERd, y_ER, strict=True):
            learner = whole.clone()
            for _ in range(STEPS):
                learner.adapt(mse_loss(learner(x_Rd[:ROWS]).squeeze(-1), y_R[:ROWS]))
            (mse_loss(learner(x_Rd[ROWS:]).squeeze(-1), y_R[ROWS:]) / count).backward()

    return Side(head, step)


class CloneLearner(nn.Module):
    """A module that adapts in place and copies itself, as learn2learn's ``MAML`` does around a module.

    Args:
        module: what adapts.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """The module's own forward."""
        return self.module(x)

    def clone(self) -> CloneLearner:
        """A learner of a differentiable copy."""
        return CloneLearner(cloned(self.module, {}))

    def adapt(self, loss: Tensor) -> None:
        """One step of gradient descent that can be derived."""
        gradients = torch.autograd.grad(loss, list(self.module.parameters()), retain_graph=True, create_graph=True)
        for parameter, gradient in zip(list(self.module.parameters()), gradients, strict=True):
            cast("Any", parameter).update = -RATE * gradient
        replace_parameters(self.module, {})


def cloned(module: nn.Module, known: dict[Any, Tensor]) -> nn.Module:
    """A copy of a module and all inside it, its parameters differentiable copies, shared where they were."""
    copy = module.__new__(type(module))
    copy.__dict__ = module.__dict__.copy()
    for kind in ("_parameters", "_buffers", "_modules"):
        copy.__dict__[kind] = module.__dict__[kind].copy()
    for kind, tensors in (("_parameters", module._parameters), ("_buffers", module._buffers)):
        for key, tensor in tensors.items():
            if tensor is None or (kind == "_buffers" and not tensor.requires_grad):
                continue
            # learn2learn remembers by the bound method data_ptr, which is equal for the same tensor object.
            if tensor.data_ptr not in known:
                known[tensor.data_ptr] = tensor.clone()
            copy.__dict__[kind][key] = known[tensor.data_ptr]
    for key, inner in module._modules.items():
        copy._modules[key] = None if inner is None else cloned(inner, known)
    return copy


def replace_parameters(module: nn.Module, known: dict[Tensor, Tensor]) -> nn.Module:
    """Put ``tensor + tensor.update`` in the place of every parameter and buffer that has an update."""
    for tensors in (module._parameters, module._buffers):
        for key, tensor in tensors.items():
            if tensor is None or getattr(tensor, "update", None) is None:
                continue
            if tensor not in known:
                known[tensor] = tensor + cast("Any", tensor).update
            tensors[key] = cast("Any", known[tensor])
    for key, inner in module._modules.items():
        module._modules[key] = None if inner is None else replace_parameters(inner, known)
    return module


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
    copy = cloned(whole, {})
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
    return figure_row(PROTOCOL, scenario, "fast parameters", metric, values, command=COMMAND)


if __name__ == "__main__":
    main()
