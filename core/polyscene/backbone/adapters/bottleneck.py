"""A narrow detour behind a linear layer, for each scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.backbone.adapters.adapted import Adapted, AdaptedLinear
from polyscene.backbone.adapters.options import BottleneckOptions
from polyscene.backbone.adapters.routing import own_linear, own_scale


class BottleneckLinear(AdaptedLinear):
    """``z = y + U_k gelu(D_k y + a_k) + b_k`` with ``y = W x + b``, ``U_k = b_k = 0`` at the start.

    The detour stands before the layer's residual sum and norm [Houlsby et al., ICML'19; Pfeiffer et al., EACL'21].
    """

    saved_as: ClassVar[Mapping[str, str]] = {
        "down_Kro": "down.weight",
        "down_bias_Kr": "down.bias",
        "up_Kor": "up.weight",
        "up_bias_Ko": "up.bias",
    }

    options: BottleneckOptions
    down_Kro: nn.Parameter
    down_bias_Kr: nn.Parameter
    up_Kor: nn.Parameter
    up_bias_Ko: nn.Parameter

    def initial(self, count: int) -> dict[str, Tensor]:
        o, r = self.base.out_features, self.options.rank
        device = self.base.weight.device
        return {
            "down_Kro": torch.randn(count, r, o, device=device) / o**0.5,
            "down_bias_Kr": torch.zeros(count, r, device=device),
            "up_Kor": torch.zeros(count, o, r, device=device),
            "up_bias_Ko": torch.zeros(count, o, device=device),
        }

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        narrow = functional.gelu(own_linear(y, self.down_Kro) + own_scale(self.down_bias_Kr))
        return y + (own_linear(narrow, self.up_Kor) + own_scale(self.up_bias_Ko)).to(y.dtype)

    @classmethod
    def peft_config(
        cls, options: BottleneckOptions, modules: Mapping[str, Adapted], *, whole: bool
    ) -> dict[str, Any] | None:
        return None

    def peft_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.get_parameter(name).shape[1:])
