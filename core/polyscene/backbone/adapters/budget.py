"""AdaLoRA's training beside the loss: an orthogonality penalty, and which directions a scenario may keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.backbone.adapters.adalora import AVERAGES, AdaLoraLinear
from polyscene.backbone.adapters.options import AdaLoraOptions


class RankBudget(nn.Module):
    """Shares the rank of each scenario out over its layers [Zhang et al., ICLR'23, section 3].

    Before an optimizer step the importance ``|p * gradient|`` of every parameter and its uncertainty are averaged
    over time, and the gradient of ``orthogonality * mean ||A A^T - I||_F`` (and ``B^T B``) is added. Afterwards
    the directions with the lowest importance times uncertainty lose their ``E``, so many that the rank falls on
    a cubic curve from ``rank`` to ``target_rank`` per layer. All of this is per scenario: one without rows in
    a step is left alone. The penalty is not part of the reported loss, nor is its gradient clipped.

    Works on tensors only: nothing waits for the device, and the state is in the checkpoint.
    """

    step: Tensor

    def __init__(self, options: AdaLoraOptions) -> None:
        super().__init__()
        self.options = options
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def follow(self, optimizer: torch.optim.Optimizer, modules: Sequence[AdaLoraLinear], steps: int) -> None:
        """Do this at each step of the optimizer, for a training of so many steps."""

        def before(*_: Any) -> None:
            self.before_step(modules, steps)

        def after(*_: Any) -> None:
            self.after_step(modules, steps)

        optimizer.register_step_pre_hook(before)
        optimizer.register_step_post_hook(after)

    def before_step(self, modules: Sequence[AdaLoraLinear], steps: int) -> None:
        """Update the averages and add the penalty's gradient."""
        if any(p.grad is None for module in modules for p in module.scenario_parameters().values()):
            return  # no scenario's text was in this step
        seen_K = torch.stack([_of(module.lora_E_Kr).any(1) for module in modules]).any(0)
        with torch.no_grad():
            moving_K = seen_K & (self.step < steps - round(self.options.settle * steps))
            for module in modules:
                self._average(module, moving_K)
        if self.options.orthogonality > 0:
            matrices = [p for module in modules for p in (module.lora_A_Kri, module.lora_B_Kor)]
            with torch.enable_grad():
                penalty = sum(_distance(p, seen_K) for p in matrices) / len(matrices)
                assert isinstance(penalty, Tensor)
                gradients = torch.autograd.grad(self.options.orthogonality * penalty, matrices)
            for parameter, gradient in zip(matrices, gradients, strict=True):
                _of(parameter).add_(gradient)

    @torch.no_grad()
    def after_step(self, modules: Sequence[AdaLoraLinear], steps: int) -> None:
        """Count the step and give directions up."""
        self.step += 1
        options = self.options
        first, last = round(options.warmup * steps), steps - round(options.settle * steps)
        progress = ((self.step - first) / max(1, last - first)).clamp(0, 1)
        least = len(modules) * options.target_rank
        budget = least + ((len(modules) * options.rank - least) * (1 - progress) ** 3).floor()
        is_time = (self.step > first) & ((self.step % options.every == 0) | (self.step > last))
        score_Kn = torch.cat([_score(module) for module in modules], 1)
        place_Kn = score_Kn.argsort(dim=1, descending=True, stable=True).argsort(1)
        keep_Kn = (place_Kn < budget) | ~is_time
        for module, keep_Kr in zip(modules, keep_Kn.chunk(len(modules), 1), strict=True):
            module.lora_E_Kr.mul_(keep_Kr)

    def _average(self, module: AdaLoraLinear, moving_K: Tensor) -> None:
        keep = self.options.smoothing
        for name, parameter in module.scenario_parameters().items():
            importance, uncertainty = (module.get_buffer(f"{what}_{name}") for what in AVERAGES)
            moving = moving_K.view(-1, *(1,) * (parameter.ndim - 1))
            now = (parameter * _of(parameter)).abs()
            averaged = keep * importance + (1 - keep) * now
            spread = keep * uncertainty + (1 - keep) * (now - averaged).abs()
            importance.copy_(torch.where(moving, averaged, importance))
            uncertainty.copy_(torch.where(moving, spread, uncertainty))


def _of(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _distance(matrix: nn.Parameter, seen_K: Tensor) -> Tensor:
    """``||M M^T - I||_F`` over the smaller side, summed over the scenarios that were seen."""
    narrow = matrix if matrix.shape[1] <= matrix.shape[2] else matrix.transpose(1, 2)
    gram = narrow @ narrow.transpose(1, 2) - torch.eye(narrow.shape[1], device=narrow.device)
    return (gram.flatten(1).norm(dim=1) * seen_K).sum()


def _score(module: AdaLoraLinear) -> Tensor:
    """Importance of each direction ``[K, r]``: of its ``E``, plus the means over its row of A and column of B."""
    score = {
        name: module.get_buffer(f"importance_{name}") * module.get_buffer(f"uncertainty_{name}")
        for name in module.saved_as
    }
    return score["lora_E_Kr"] + score["lora_A_Kri"].mean(2) + score["lora_B_Kor"].mean(1)
