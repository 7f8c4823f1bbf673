"""Experts: small networks, many of which are computed as one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing, routed, routed_linear


class Experts(nn.Module):
    """E shared experts ``E_e(h) = W2_e gelu(W1_e h + b_e)``, each of hidden width f.

    A mixture of experts is one network of width ``E f`` whose hidden layer is gated, so that no expert's output is
    ever made: two matrix products, whatever E is. ``W2 = 0`` at the start.

    Args:
        n_experts: number of experts E.
        d_model: width d.
        hidden: hidden width f of one expert.
    """

    def __init__(self, n_experts: int, d_model: int, hidden: int) -> None:
        super().__init__()
        self.in_dEf = nn.Parameter(torch.randn(d_model, n_experts, hidden) / d_model**0.5)
        self.bias_Ef = nn.Parameter(torch.zeros(n_experts, hidden))
        self.out_Efd = nn.Parameter(torch.zeros(n_experts, hidden, d_model))

    def forward(self, h_Nd: Tensor, gate_NE: Tensor) -> Tensor:
        """``sum_e gate_ne E_e(h_n)``: ``[N, d]``."""
        hidden_Nw = torch.addmm(self.bias_Ef.flatten(), h_Nd, self.in_dEf.flatten(1))
        return gated(nn.functional.gelu(hidden_Nw), gate_NE) @ self.out_Efd.flatten(0, 1)


class ScenarioExperts(nn.Module):
    """Experts as in :class:`Experts`, E of them for each of K scenarios; ``W2 = 0`` at the start.

    Args:
        n_scenarios: number of scenarios K.
        n_experts: number of experts E of one scenario.
        d_model: width d.
        hidden: hidden width f of one expert.
    """

    def __init__(self, n_scenarios: int, n_experts: int, d_model: int, hidden: int) -> None:
        super().__init__()
        self.in_KdEf = nn.Parameter(torch.randn(n_scenarios, d_model, n_experts, hidden) / d_model**0.5)
        self.bias_KEf = nn.Parameter(torch.zeros(n_scenarios, n_experts, hidden))
        self.out_KEfd = nn.Parameter(torch.zeros(n_scenarios, n_experts, hidden, d_model))

    def forward(self, h_Nd: Tensor, gate_NE: Tensor, routing: Routing) -> Tensor:
        """``sum_e gate_ne E_ke(h_n)`` of each row's own scenario k: ``[N, d]``."""
        hidden_Nw = routed_linear(h_Nd, self.in_KdEf.flatten(2), routing)
        hidden_Nw = nn.functional.gelu(hidden_Nw + routed(self.bias_KEf.flatten(1), routing))
        return routed_linear(gated(hidden_Nw, gate_NE), self.out_KEfd.flatten(1, 2), routing)

    def sum_of(self, h_Nd: Tensor, first: int, stop: int) -> Tensor:
        """``sum_{first <= k < stop} sum_e E_ke(h_n)`` for all rows: ``[N, d]``."""
        in_dw = self.in_KdEf[first:stop].flatten(2).transpose(0, 1).flatten(1)
        hidden_Nw = torch.addmm(self.bias_KEf[first:stop].flatten(), h_Nd, in_dw)
        return nn.functional.gelu(hidden_Nw) @ self.out_KEfd[first:stop].flatten(0, 2)


def gated(hidden_Nw: Tensor, gate_NE: Tensor) -> Tensor:
    """Hidden layers ``[N, E * f]`` of experts side by side, each times its gate."""
    n_experts = gate_NE.shape[-1]
    return (hidden_Nw.unflatten(-1, (n_experts, -1)) * gate_NE.unsqueeze(-1)).flatten(1)
