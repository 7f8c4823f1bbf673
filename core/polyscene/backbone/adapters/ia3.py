"""(IA)3: vectors that scale what goes into or comes out of linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.backbone.adapters.adapted import Adapted, AdaptedLinear
from polyscene.backbone.adapters.options import Ia3Options, PeftOptions
from polyscene.backbone.adapters.routing import own_scale


class Ia3Linear(AdaptedLinear):
    """``y = l_k * (W x + b)``, ``y = W (l_k * x) + b`` for inputs [Liu et al., NeurIPS'22], from ``l_k = 1``."""

    saved_as: ClassVar[Mapping[str, str]] = {"ia3_l_Kd": "ia3_l"}

    options: Ia3Options
    ia3_l_Kd: nn.Parameter

    def __init__(self, base: nn.Module, options: PeftOptions, *, scales_input: bool) -> None:
        self.scales_input = scales_input
        super().__init__(base, options)

    def initial(self, count: int) -> dict[str, Tensor]:
        i, o = self.sizes
        return {"ia3_l_Kd": torch.ones(count, i if self.scales_input else o, device=self.base.weight.device)}

    def forward(self, x: Tensor) -> Tensor:
        scale = own_scale(self.ia3_l_Kd)
        if self.scales_input:
            return self.base((x * scale).to(x.dtype))
        y = self.base(x)
        return (y * scale).to(y.dtype)

    @classmethod
    def peft_config(cls, options: Ia3Options, modules: Mapping[str, Adapted], *, whole: bool) -> dict[str, Any]:
        inputs = [name for name, module in modules.items() if getattr(module, "scales_input", False)]
        return {"peft_type": "IA3", "target_modules": list(modules), "feedforward_modules": inputs}

    def peft_shape(self, name: str) -> tuple[int, ...]:
        width = self.get_parameter(name).shape[1]
        return (1, width) if self.scales_input else (width, 1)
