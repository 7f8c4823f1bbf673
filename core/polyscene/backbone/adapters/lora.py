"""LoRA: a change of low rank for each scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.backbone.adapters.adapted import Adapted, AdaptedLinear
from polyscene.backbone.adapters.options import LoraOptions
from polyscene.backbone.adapters.routing import own_linear


class LoraLinear(AdaptedLinear):
    """``y = W x + (alpha / r) B_k A_k x`` [Hu et al., ICLR'22], without dropout.

    ``A`` is uniform in ``1 / sqrt(i)`` and ``B = 0`` at the start, as in peft.
    """

    saved_as: ClassVar[Mapping[str, str]] = {"lora_A_Kri": "lora_A.weight", "lora_B_Kor": "lora_B.weight"}

    options: LoraOptions
    lora_A_Kri: nn.Parameter
    lora_B_Kor: nn.Parameter

    def initial(self, count: int) -> dict[str, Tensor]:
        (i, o), r = self.sizes, self.options.rank
        bound = 1 / math.sqrt(i)
        weight = self.base.weight
        return {
            "lora_A_Kri": torch.empty(count, r, i, device=weight.device).uniform_(-bound, bound),
            "lora_B_Kor": torch.zeros(count, o, r, device=weight.device),
        }

    def forward(self, x: Tensor) -> Tensor:
        scale = self.options.alpha / self.options.rank
        change = own_linear(own_linear(x, self.lora_A_Kri) * scale, self.lora_B_Kor)
        return self.base(x) + change

    @classmethod
    def peft_config(cls, options: LoraOptions, modules: Mapping[str, Adapted], *, whole: bool) -> dict[str, Any]:
        return {
            "peft_type": "LORA",
            "r": options.rank,
            "lora_alpha": options.alpha,
            "lora_dropout": 0.0,
            "target_modules": list(modules),
        }

    def peft_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.get_parameter(name).shape[1:])
