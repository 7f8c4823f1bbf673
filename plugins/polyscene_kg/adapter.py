"""Turning and stretching, plane by plane: the geometry in which triple scores live."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from polyscene import AdapterBank, Component, ConfigError, Routing, routed


class ComplexGateBank(AdapterBank):
    """``z = h * w_k`` over complex numbers, ``w_k = 1`` at start.

    The first half of a vector holds real parts, the second half imaginary parts. In each plane a scenario
    stretches by ``|w|`` and turns by ``arg w``, as the relations of ComplEx [Trouillon et al., ICML 2016] and
    RotatE [Sun et al., ICLR 2019] do; with real ``w`` it is the plain gate on pairs of features.
    """

    def __init__(self, config: Any, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        if d_model % 2:
            raise ConfigError(
                f"adapter 'complex_gate' needs an even width and model.d_model is {d_model}",
                fix="choose an even model.d_model, or adapter=gate",
            )
        self.real_Kp = nn.Parameter(torch.ones(n_scenarios, d_model // 2))
        self.imaginary_Kp = nn.Parameter(torch.zeros(n_scenarios, d_model // 2))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        h_real, h_imaginary = h_Nd.chunk(2, dim=-1)
        w_real, w_imaginary = routed(self.real_Kp, routing), routed(self.imaginary_Kp, routing)
        return torch.cat(
            [h_real * w_real - h_imaginary * w_imaginary, h_real * w_imaginary + h_imaginary * w_real], dim=-1
        )

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"real_Kp": self.real_Kp, "imaginary_Kp": self.imaginary_Kp}


COMPONENTS = [Component("adapter", "complex_gate", ComplexGateBank)]
