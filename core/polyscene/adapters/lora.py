"""Low-rank updates per scenario of linear layers that all scenarios share."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed_linear
from polyscene.adapters.options import check_counts
from polyscene.errors import ConfigError


@dataclass
class LoraConfig:
    """Options of the low-rank updates.

    Args:
        rank: rank r of an update.
        alpha: updates count ``alpha / rank``.
        hidden: width of the shared hidden layer; 0 for the model's width.
    """

    rank: int = 8
    alpha: float = 16.0
    hidden: int = 0

    def __post_init__(self) -> None:
        check_counts(self, "lora", "rank")
        if self.alpha <= 0:
            raise ConfigError(f"alpha is {self.alpha}", where="adapter 'lora'", fix="use a number above 0")
        if self.hidden < 0:
            raise ConfigError(
                f"hidden is {self.hidden}", where="adapter 'lora'", fix="use 0 (the model's width) or a width"
            )


class Lora(AdapterBank):
    """``z = h + L2_k gelu(L1_k h)``, ``L_k x = (W + alpha/r B_k A_k) x + b`` [Hu et al., ICLR'22].

    The update needs layers to update: a residual MLP that all scenarios share, as a transformer's feed-forward
    block is. ``W`` of L2 is 0 at the start, so ``z = h``, and ``B = 0`` as published, so a scenario begins as the
    shared MLP and has to earn its difference from it. Both layers have an update: the first one chooses what a
    scenario looks at, the second what it does with it.
    """

    source = "LoRA, ICLR'22"
    config: LoraConfig

    def __init__(self, config: LoraConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        hidden, scale = config.hidden or d_model, config.alpha / config.rank
        self.fc1 = LoraLinear(d_model, hidden, n_scenarios, config.rank, scale)
        self.fc2 = LoraLinear(hidden, d_model, n_scenarios, config.rank, scale)
        nn.init.zeros_(self.fc2.shared.weight)
        nn.init.zeros_(self.fc2.shared.bias)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        return h_Nd + self.fc2(nn.functional.gelu(self.fc1(h_Nd, routing)), routing)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if name.endswith(("a_Kri", "b_Kor"))}


class LoraLinear(nn.Module):
    """A linear layer with an update per scenario, matrices shaped and initialized as peft's are.

    Args:
        n_in: width of the input.
        n_out: width of the output.
        n_scenarios: number of scenarios K.
        rank: rank r of an update.
        scale: factor of an update, alpha / r.
    """

    def __init__(self, n_in: int, n_out: int, n_scenarios: int, rank: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.shared = nn.Linear(n_in, n_out)
        self.a_Kri = nn.Parameter(torch.empty(n_scenarios, rank, n_in).uniform_(-1, 1) / n_in**0.5)
        self.b_Kor = nn.Parameter(torch.zeros(n_scenarios, n_out, rank))

    def forward(self, x_Ni: Tensor, routing: Routing) -> Tensor:
        """``W x + b + scale B_k A_k x``: ``[N, o]``."""
        narrow_Nr = routed_linear(x_Ni, self.a_Kri.mT, routing)
        return self.shared(x_Ni) + self.scale * routed_linear(narrow_Nr, self.b_Kor.mT, routing)

    def merged(self, scenario: int) -> nn.Linear:
        """One scenario's layer alone, its update added to the weight."""
        layer = copy.deepcopy(self.shared)
        with torch.no_grad():
            layer.weight += self.scale * self.b_Kor[scenario] @ self.a_Kri[scenario]
        return layer
