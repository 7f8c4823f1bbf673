"""Feature-wise linear modulation: a scale and a shift per feature and scenario."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed


class Film(AdapterBank):
    """``z = (1 + gamma_k) * h + beta_k`` [Perez et al., AAAI'18].

    ``gamma = beta = 0`` at the start. The published generator of gamma and beta reads a condition; for a condition
    that is one of K scenarios, every generator is a table, which is what is learned here.
    """

    source = "FiLM, AAAI'18"

    def __init__(self, config: None, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.scale_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        self.shift_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        return torch.addcmul(h_Nd + routed(self.shift_Kd, routing), h_Nd, routed(self.scale_Kd, routing))

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scale_Kd": self.scale_Kd, "shift_Kd": self.shift_Kd}
