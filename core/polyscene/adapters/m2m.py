"""Meta units: the weights of a scenario are made from its vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed, routed_linear
from polyscene.adapters.options import check_counts

# Scenarios whose weights are made in one product.
_BLOCK = 32


@dataclass
class M2mConfig:
    """Options of the meta units.

    Args:
        dimensions: width of a scenario's vector.
        experts: number of experts E.
        width: width m of experts and of the tower.
        layers: layers of the tower.
    """

    dimensions: int = 16
    experts: int = 4
    width: int = 32
    layers: int = 1

    def __post_init__(self) -> None:
        check_counts(self, "m2m", "dimensions", "experts", "width", "layers")


class M2m(AdapterBank):
    """``z = h + out(L)``, with L from a meta tower over a meta attention over experts [Zhang et al., WSDM'22].

    Experts ``E_i = act(A_i h + c_i)`` of width m are shared. A meta unit is ``x -> act(x W + b)`` with ``(W, b)``
    made from the scenario's vector ``e_k`` by one linear network for all scenarios. Attention: ``R = sum_i
    softmax(a)_i E_i`` with ``a_i = v . meta([E_i, t])``. Tower, each layer: ``L <- act(L W + b + L)``, from ``L =
    R``. ``act`` is a leaky ReLU. In the paper t tells the task; a bank has one, so it is one learned vector.

    ``out = 0`` at the start, so ``z = h``, and ``e_k = 0``: a scenario added later starts with the weights of
    nobody in particular.
    """

    source = "M2M, WSDM'22"
    config: M2mConfig

    def __init__(self, config: M2mConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        m = config.width
        self.scenario_Ke = nn.Parameter(torch.zeros(n_scenarios, config.dimensions))
        self.experts = nn.Linear(d_model, config.experts * m)
        self.attention_unit = _MetaUnit(config.dimensions, 2 * m, m)
        self.tower = nn.ModuleList(_MetaUnit(config.dimensions, m, m) for _ in range(config.layers))
        self.task_m = nn.Parameter(torch.randn(m))
        self.attention_m = nn.Parameter(torch.randn(m) / m**0.5)
        self.out = nn.Linear(m, d_model, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        expert_NEm = _act(self.experts(h_Nd)).unflatten(-1, (self.config.experts, -1))
        out_Nm = (self._attention(expert_NEm, routing).unsqueeze(-1) * expert_NEm).sum(1)
        for unit in self.tower:
            weight_Kmm, bias_Km = unit(self.scenario_Ke)
            out_Nm = _act(routed_linear(out_Nm, weight_Kmm, routing) + routed(bias_Km, routing) + out_Nm)
        return h_Nd + self.out(out_Nm)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"scenario_Ke": self.scenario_Ke}

    def _attention(self, expert_NEm: Tensor, routing: Routing) -> Tensor:
        """Attention ``[N, E]`` over experts."""
        m = self.config.width
        weight_Kim, bias_Km = self.attention_unit(self.scenario_Ke)
        # The half of the product that reads the task is the same for all rows of a scenario.
        constant_Km = bias_Km + (self.task_m[:, None] * weight_Kim[:, m:]).sum(1)
        met_NEm = routed_linear(expert_NEm, weight_Kim[:, :m], routing)
        met_NEm = _act(met_NEm + routed(constant_Km, routing).unsqueeze(1))
        return (met_NEm @ self.attention_m).softmax(-1)


class _MetaUnit(nn.Module):
    """Makes a weight ``[K, i, o]`` and a bias ``[K, o]`` from vectors ``[K, e]`` of scenarios."""

    def __init__(self, dimensions: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.shape = (n_in, n_out)
        self.weight_eio = nn.Parameter(torch.randn(dimensions, n_in * n_out) / (dimensions * n_in) ** 0.5)
        self.base_io = nn.Parameter(torch.randn(n_in * n_out) / n_in**0.5)
        self.bias_eo = nn.Parameter(torch.randn(dimensions, n_out) / dimensions**0.5)
        self.base_o = nn.Parameter(torch.zeros(n_out))

    def forward(self, scenario_Ke: Tensor) -> tuple[Tensor, Tensor]:
        weight_Kio = _rows_apart(scenario_Ke, self.weight_eio) + self.base_io
        return weight_Kio.unflatten(-1, self.shape), _rows_apart(scenario_Ke, self.bias_eo) + self.base_o


def _rows_apart(x_Ke: Tensor, weight_eo: Tensor) -> Tensor:
    """``x W`` in blocks of always the same size, so that a row more cannot change the rounding of the others."""
    padded = nn.functional.pad(x_Ke, (0, 0, 0, -len(x_Ke) % _BLOCK))
    return torch.cat([block_Be @ weight_eo for block_Be in padded.split(_BLOCK)])[: len(x_Ke)]


def _act(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu(x, 0.1)
