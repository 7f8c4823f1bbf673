"""STAR: a network per scenario that is the product of a shared one and its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed, routed_linear
from polyscene.adapters.options import check_counts
from polyscene.adapters.partitioned_norm import PartitionedNorm
from polyscene.errors import ConfigError


@dataclass
class StarConfig:
    """Options of STAR.

    Args:
        hidden: width of the network's hidden layers.
        layers: number of hidden layers.
        dimensions: width of a scenario's vector.
        auxiliary: width of the auxiliary network's hidden layer.
        momentum: share by which running statistics move toward those of a batch, above 0 and up to 1.
    """

    hidden: int = 64
    layers: int = 1
    dimensions: int = 16
    auxiliary: int = 32
    momentum: float = 0.1

    def __post_init__(self) -> None:
        check_counts(self, "star", "hidden", "layers", "dimensions", "auxiliary")
        if not 0 < self.momentum <= 1:
            raise ConfigError(
                f"momentum is {self.momentum}", where="adapter 'star'", fix="use a number above 0 and up to 1"
            )


class Star(AdapterBank):
    """``z = h + F_k(PN_k(h)) + aux([h; e_k])`` [Sheng et al., CIKM'21].

    A layer of ``F_k`` has the weight ``W_s * W_k`` and the bias ``b_s + b_k``, ReLU between layers and none after
    the last; ``PN`` is partitioned normalization; ``aux`` is one hidden layer that all share, with the scenario's
    vector e_k beside its input. The published network adds the auxiliary logit to that of F; there is no logit
    here, so vectors are added, and the residual lets the kind start as the identity: ``W_k = 1``, ``b_k = e_k =
    0`` and the shared last layers of F and aux are 0.
    """

    source = "STAR, CIKM'21"
    config: StarConfig

    def __init__(self, config: StarConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        widths = [d_model, *[config.hidden] * config.layers, d_model]
        self.norm = PartitionedNorm(d_model, n_scenarios, config.momentum)
        self.layers = nn.ModuleList(StarLinear(n_in, n_out, n_scenarios) for n_in, n_out in pairwise(widths))
        self.scenario_Ke = nn.Parameter(torch.zeros(n_scenarios, config.dimensions))
        self.auxiliary = nn.Linear(d_model + config.dimensions, config.auxiliary)
        self.auxiliary_out = nn.Linear(config.auxiliary, d_model, bias=False)
        nn.init.zeros_(self.layers[-1].get_parameter("shared.weight"))
        nn.init.zeros_(self.layers[-1].get_parameter("shared.bias"))
        nn.init.zeros_(self.auxiliary_out.weight)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        x_Nw = self.norm(h_Nd, routing)
        for number, layer in enumerate(self.layers):
            x_Nw = layer(x_Nw.relu() if number else x_Nw, routing)
        scenario_Ne = routed(self.scenario_Ke, routing).to(h_Nd.dtype)
        hidden_Na = self.auxiliary(torch.cat([h_Nd, scenario_Ne], -1)).relu()
        return h_Nd + x_Nw + self.auxiliary_out(hidden_Na)

    def settle(self) -> None:
        self.norm.settle()

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if name.rpartition("_")[2].startswith("K")}

    def scenario_buffers(self) -> dict[str, Tensor]:
        return {"norm.mean_Kd": self.norm.mean_Kd, "norm.var_Kd": self.norm.var_Kd}


class StarLinear(nn.Module):
    """A linear layer with weight ``W_s * W_k`` and bias ``b_s + b_k``; ``W_k = 1`` and ``b_k = 0`` at the start.

    The products of matrices are made once for each scenario, not for each row.

    Args:
        n_in: width of the input.
        n_out: width of the output.
        n_scenarios: number of scenarios K.
    """

    def __init__(self, n_in: int, n_out: int, n_scenarios: int) -> None:
        super().__init__()
        self.shared = nn.Linear(n_in, n_out)
        self.weight_Kio = nn.Parameter(torch.ones(n_scenarios, n_in, n_out))
        self.bias_Ko = nn.Parameter(torch.zeros(n_scenarios, n_out))

    def forward(self, x_Ni: Tensor, routing: Routing) -> Tensor:
        """``x (W_s * W_k) + b_s + b_k``: ``[N, o]``."""
        bias_No = self.shared.bias + routed(self.bias_Ko, routing)
        return routed_linear(x_Ni, self.shared.weight.T * self.weight_Kio, routing) + bias_No
