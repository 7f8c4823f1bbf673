"""AdaLoRA: a change in the form of a singular value decomposition, whose rank is shared out while training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.backbone.adapters.adapted import Adapted, AdaptedLinear
from polyscene.backbone.adapters.options import AdaLoraOptions, PeftOptions
from polyscene.backbone.adapters.routing import own_linear, own_scale

AVERAGES = ("importance", "uncertainty")
"""What is averaged over time for each parameter, by :class:`polyscene.backbone.adapters.budget.RankBudget`."""

_TINY = 1e-5  # peft divides alpha by the rank plus this


class AdaLoraLinear(AdaptedLinear):
    """``y = W x + (alpha / r) B_k diag(E_k) A_k x`` [Zhang et al., ICLR'23], peft's notation (paper: P, Λ, Q).

    ``A`` and ``B`` are normal with deviation 0.02 and ``E = 0`` at the start, as in peft. A direction that is
    given up has an ``E`` of zero: see :class:`polyscene.backbone.adapters.budget.RankBudget`.
    """

    saved_as: ClassVar[Mapping[str, str]] = {"lora_A_Kri": "lora_A", "lora_B_Kor": "lora_B", "lora_E_Kr": "lora_E"}

    options: AdaLoraOptions
    lora_A_Kri: nn.Parameter
    lora_B_Kor: nn.Parameter
    lora_E_Kr: nn.Parameter

    def __init__(self, base: nn.Module, options: PeftOptions) -> None:
        super().__init__(base, options)
        for name, parameter in self.scenario_parameters().items():
            for what in AVERAGES:
                self.register_buffer(f"{what}_{name}", torch.zeros_like(parameter, requires_grad=False))

    def initial(self, count: int) -> dict[str, Tensor]:
        (i, o), r = self.sizes, self.options.rank
        device = self.base.weight.device
        return {
            "lora_A_Kri": 0.02 * torch.randn(count, r, i, device=device),
            "lora_B_Kor": 0.02 * torch.randn(count, o, r, device=device),
            "lora_E_Kr": torch.zeros(count, r, device=device),
        }

    def forward(self, x: Tensor) -> Tensor:
        scale = self.options.alpha / (self.options.rank + _TINY)
        narrow_BLr = own_linear(x, self.lora_A_Kri) * (own_scale(self.lora_E_Kr) * scale)
        return self.base(x) + own_linear(narrow_BLr, self.lora_B_Kor)

    def scenario_buffers(self) -> dict[str, Tensor]:
        return {f"{what}_{name}": self.get_buffer(f"{what}_{name}") for what in AVERAGES for name in self.saved_as}

    @classmethod
    def peft_config(
        cls, options: AdaLoraOptions, modules: Mapping[str, Adapted], *, whole: bool
    ) -> dict[str, Any]:
        return {
            "peft_type": "ADALORA",
            "init_r": options.rank,
            "target_r": options.target_rank,
            "lora_alpha": options.alpha,
            "lora_dropout": 0.0,
            "target_modules": list(modules),
            # The ranks are shared out already. peft wants a schedule all the same.
            "total_step": 1,
        }

    def peft_shape(self, name: str) -> tuple[int, ...]:
        shape = tuple(self.get_parameter(name).shape[1:])
        return (*shape, 1) if name == "lora_E_Kr" else shape
