"""One training step: its losses and how gradients are taken of them. Nothing in here waits for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.routing import RECOGNITION
from polyscene.training.repeatable import repeatable_attention

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.wrappers import _FabricModule

    from polyscene.model import PolysceneModel

# splitmix64's increment: neighboring steps get unrelated seeds.
_STEP_FACTOR = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Step:
    """What a balancer needs to turn a batch into gradients.

    Args:
        model: the model itself.
        wrapped: the model as Fabric calls it, with its precision and its averaging over devices.
        fabric: devices and precision.
        weights: the weight of each task, by scenario and task.
        accumulate: batches in a step.
        seed: the run's seed.
    """

    model: PolysceneModel
    wrapped: _FabricModule
    fabric: Fabric
    weights: Mapping[str, Mapping[str, float]]
    accumulate: int = 1
    seed: int = 0

    def losses(self, batch: Mapping[str, Windows]) -> dict[str, Tensor]:
        """Losses of a batch by scenario."""
        with repeatable_attention(self.fabric.device):
            return step_losses(self.wrapped, batch, self.weights)

    def own_losses(self, batch: Mapping[str, Windows]) -> dict[str, Tensor]:
        """As :meth:`losses`, of this process alone: nothing averages the gradients over devices by itself."""
        if self.fabric.world_size == 1:
            return self.losses(batch)
        precision = self.fabric.strategy.precision

        def call(windows: Mapping[str, Windows]) -> Any:
            with precision.forward_context():
                return precision.convert_output(self.model(precision.convert_input(windows)))

        with repeatable_attention(self.fabric.device):
            return step_losses(call, batch, self.weights)

    def losses_again(self, number: int, batch: Mapping[str, Windows]) -> dict[str, Tensor]:
        """Losses without gradients, with the random numbers that a batch had; the model counts nothing by it.

        Args:
            number: of the batch, from 0.
            batch: its windows.
        """
        kept = [(tensor, tensor.clone()) for tensor in self._counted()]
        seed_step(self.seed, number, self.fabric.global_rank)
        with torch.no_grad():
            losses = self.own_losses(batch)
            for tensor, before in kept:
                tensor.copy_(before)
        return losses

    def mean_over_ranks(self, losses_K: Tensor) -> Tensor:
        """Losses ``[K]`` averaged over the processes that hold them; NaN where none does."""
        if self.fabric.world_size == 1:
            return losses_K
        held_K = ~losses_K.isnan()
        sums_2K: Any = self.fabric.all_reduce(
            torch.stack([losses_K.nan_to_num(), held_K.to(losses_K.dtype)]), reduce_op="sum"
        )
        return sums_2K[0] / sums_2K[1]

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients over the processes, where nobody else does; a parameter without any keeps none."""
        if self.fabric.world_size == 1:
            return
        parameters = list(parameters)
        if not parameters:
            return
        flat = [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters]
        has = torch.tensor([float(p.grad is not None) for p in parameters], device=flat[0].device)
        counts: Any = self.fabric.all_reduce(has, reduce_op="sum")
        averaged: Any = self.fabric.all_reduce(torch.cat(flat), reduce_op="mean")
        pieces = averaged.split([len(piece) for piece in flat])
        for parameter, piece, count in zip(parameters, pieces, counts.tolist(), strict=True):
            parameter.grad = piece.view_as(parameter) if count else None

    def from_first_rank(self, tensor: Tensor) -> Tensor:
        """The first process's values, on all processes."""
        if self.fabric.world_size > 1:
            torch.distributed.broadcast(tensor, 0)
        return tensor

    def share_state(self) -> None:
        """Give all processes what the first one's model counts while it trains."""
        for tensor in self._counted():
            self.from_first_rank(tensor)

    def _counted(self) -> list[Tensor]:
        """What training moves besides parameters: the buffers that a checkpoint holds."""
        parameters = {name for name, _ in self.model.named_parameters(remove_duplicate=False)}
        return [tensor for name, tensor in self.model.state_dict().items() if name not in parameters]


def step_losses(
    model: Callable[..., Any], batch: Mapping[str, Windows], weights: Mapping[str, Mapping[str, float]]
) -> dict[str, Tensor]:
    """One scalar loss per scenario: the weighted sum of its tasks and auxiliary losses, each averaged
    over the steps that count.

    A router adds one more under ``RECOGNITION``, which is no scenario's: its cross-entropy averaged within each
    scenario and then over scenarios, so that each counts the same whatever its rows.

    Args:
        model: a :class:`polyscene.model.PolysceneModel`, possibly wrapped by Fabric.
        batch: windows by scenario.
        weights: the weight of each task and auxiliary loss, by scenario and name.
    """
    losses, recognition = {}, []
    for name, by_task in model(batch).items():
        learned_BT = batch[name].learned_BT
        count = learned_BT.sum().clamp(min=1)
        means = {task: torch.where(learned_BT, loss_BT, 0.0).sum() / count for task, loss_BT in by_task.items()}
        if RECOGNITION in means:
            recognition.append(means.pop(RECOGNITION))
        losses[name] = torch.stack([weights[name][task] * mean for task, mean in means.items()]).sum()
    return losses | ({RECOGNITION: torch.stack(recognition).mean()} if recognition else {})


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Seed the random numbers of a step (dropout, candidates), so that a resumed run draws what it would have."""
    number = (seed * 1_000_003 + rank * 7_919 + step * _STEP_FACTOR) % (1 << 63)
    if torch.accelerator.is_available():
        torch.manual_seed(number)
    else:
        # torch.manual_seed would note, with the stack, to seed each accelerator that may yet appear: 0.3 ms.
        torch.default_generator.manual_seed(number)
