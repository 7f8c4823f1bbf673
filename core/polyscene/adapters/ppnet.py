"""PPNet: a network whose layers are gated by who a row is about."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed
from polyscene.adapters.gate_unit import GateUnit
from polyscene.adapters.options import check_counts


@dataclass
class PpnetConfig:
    """Options of PPNet.

    Args:
        dimensions: width of a scenario's vector.
        hidden: width of the network's hidden layers and of the gates'.
        layers: number of hidden layers.
    """

    dimensions: int = 16
    hidden: int = 64
    layers: int = 1

    def __post_init__(self) -> None:
        check_counts(self, "ppnet", "dimensions", "hidden", "layers")


class Ppnet(AdapterBank):
    """``z = h + H_L``, ``H_{l+1} = act(W_l H_l + b_l) * GateNU_l([e_k; p; sg(h)])``, ``H_0 = h``.

    [Chang et al., KDD'23, equations 5 to 7.] ``p`` is the personal vector of the routing, the user of a state;
    where nobody is known, as for an item, ``sg(h)`` stands in; sg stops the gradient. The published prior takes
    the scenario from EPNet below it; here ``e_k`` is part of it, so that the kind works alone. ``act`` is ReLU,
    and none in the last layer, whose ``W = b = 0`` at the start; gates are 1 and ``e_k`` is 0.
    """

    source = "PEPNet, KDD'23"
    config: PpnetConfig

    def __init__(self, config: PpnetConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        widths = [d_model, *[config.hidden] * config.layers, d_model]
        self.scenario_Ke = nn.Parameter(torch.zeros(n_scenarios, config.dimensions))
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths))
        self.gates = nn.ModuleList(
            GateUnit(config.dimensions + 2 * d_model, config.hidden, width) for width in widths[1:]
        )
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        known_Nd = h_Nd.detach()
        personal_Nd = known_Nd if routing.personal_Nd is None else routing.personal_Nd
        scenario_Ne = routed(self.scenario_Ke, routing).to(h_Nd.dtype)
        prior_Nu = torch.cat([scenario_Ne, personal_Nd.to(h_Nd.dtype), known_Nd], -1)
        x_Nw = h_Nd
        for number, (layer, gate) in enumerate(zip(self.layers, self.gates, strict=True), 1):
            x_Nw = layer(x_Nw)
            x_Nw = (x_Nw if number == len(self.layers) else x_Nw.relu()) * gate(prior_Nu)
        return h_Nd + x_Nw

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scenario_Ke": self.scenario_Ke}
