"""Balancers that look at the gradients of the scenarios, not only at their losses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.routing import RECOGNITION
from polyscene.training.balancers.balancer import Balancer, stacked
from polyscene.training.balancers.cosine import Cosines
from polyscene.training.balancers.jacobian import Jacobian
from polyscene.training.step import Step


class GradientBalancer(Balancer):
    """Mixes the scenarios' gradients ``g_k`` of the shared parameters: ``sum_k w_k g_k``.

    The weights come from the inner products ``J J^T`` of the gradients. What belongs to one scenario (its encoders
    and tasks, its slice of a bank) gets the gradient that the plain mean would give it, and with ``w_k = 1/K`` so
    do the shared parameters. With one scenario, or nothing that is shared, there is nothing to balance.

    Each scenario's rows go through the model by themselves. A kind of adapter that counts over all rows of a batch
    counts them scenario by scenario then.
    """

    def __init__(self, config: Any, names: list[str]) -> None:
        super().__init__(config, names)
        self._cosines = Cosines()
        self._jacobian: Jacobian | None = None

    @abstractmethod
    def weigh(self, gramian_KK: Tensor, held: Sequence[int], losses_K: Tensor) -> Tensor:
        """Weights ``[H]`` of the gradients of the H scenarios that a step holds.

        Args:
            gramian_KK: inner products ``[H, H]`` of the gradients, float32.
            held: positions of the H scenarios among all K.
            losses_K: the losses ``[H]`` of their last batch.
        """

    def scale(self, name: str) -> Tensor | float:
        """By what the loss of a scenario is multiplied before its gradient is taken."""
        return 1.0

    def forward(self, losses: Mapping[str, Tensor]) -> Tensor:
        return stacked(losses).mean()

    def backward(self, step: Step, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        jacobian = self._jacobian = self._jacobian or Jacobian(step.model)
        if len(self.names) == 1 or not jacobian.parameters:
            return super().backward(step, batch, last=last)
        share = 1 / (len(batch) * step.accumulate)
        losses: dict[str, Tensor] = {}
        recognition: list[Tensor] = []
        for name, windows in batch.items():
            found = step.own_losses({name: windows})
            routed = RECOGNITION in found
            with jacobian.row(name, share):
                step.fabric.backward(found[name] * (self.scale(name) * share), retain_graph=routed)
            losses[name] = found[name].detach()
            if routed:  # no scenario's loss, so its gradient is not mixed but added
                with jacobian.row(RECOGNITION):
                    step.fabric.backward(found[RECOGNITION] * share)
                recognition.append(found[RECOGNITION].detach())
        if last:
            self._finish(step, jacobian, losses)
            jacobian.clear()
        return losses | ({RECOGNITION: torch.stack(recognition).mean()} if recognition else {})

    def take_cosines(self) -> dict[str, float]:
        return self._cosines.take()

    def _finish(self, step: Step, jacobian: Jacobian, losses: Mapping[str, Tensor]) -> None:
        """Turn the gathered gradients into one."""
        losses_K = step.mean_over_ranks(self.over_scenarios(losses))
        if step.fabric.world_size > 1:
            jacobian.average(step, [*self.names, RECOGNITION])
        held = [k for k, name in enumerate(self.names) if jacobian.mass.get(name)]
        names = [self.names[k] for k in held]
        J_KP = jacobian.stacked(names)
        float_KP = J_KP.float()
        gramian_KK = float_KP @ float_KP.T
        self._cosines.add(names, gramian_KK)
        at_K = losses_K if len(held) == len(self.names) else torch.stack([losses_K[k] for k in held])
        weight_K = step.from_first_rank(self.weigh(gramian_KK, held, at_K).to(J_KP.dtype))
        mixed_P = weight_K @ J_KP
        jacobian.put(mixed_P + jacobian.rows[RECOGNITION] if RECOGNITION in jacobian.rows else mixed_P)
