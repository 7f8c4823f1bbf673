"""Hyper adapter: a cell per scenario whose weights also depend on the row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing, routed, routed_linear
from polyscene.adapters.options import check_counts


@dataclass
class HamurConfig:
    """Options of the hyper adapter.

    Args:
        width: width w of the adapter cell's middle.
        instance: size k of the matrix ``I(h)`` that is made for each row.
        hyper: hidden width of the network that makes it.
    """

    width: int = 32
    instance: int = 8
    hyper: int = 64

    def __post_init__(self) -> None:
        check_counts(self, "hamur", "width", "instance", "hyper")


class Hamur(AdapterBank):
    """``z = h + gamma_k * LN(sigmoid(h W_down + b1_k) W_up + b2_k) + beta_k`` [Li et al., CIKM'23].

    ``W_down = U1_k I V1_k``, ``W_up = U2_k I V2_k``, where ``I(h)`` is a ``[k, k]`` matrix that one network,
    shared by all scenarios, makes for each row. The row goes through the factors in turn, so no weight matrix of a
    row is ever made. ``gamma_k = beta_k = 0`` and ``I`` near the unit matrix at the start.

    The published domain norm takes its mean and variance over the batch, in serving too; here it is a layer norm
    over the features of the row, so that a row's output does not depend on the other rows.
    """

    source = "HAMUR, CIKM'23"
    config: HamurConfig

    def __init__(self, config: HamurConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        width, k = config.width, config.instance
        self.down_u_Kdk, self.down_v_Kkw = _factor(n_scenarios, d_model, k), _factor(n_scenarios, k, width)
        self.up_u_Kwk, self.up_v_Kkd = _factor(n_scenarios, width, k), _factor(n_scenarios, k, d_model)
        self.down_bias_Kw = nn.Parameter(torch.zeros(n_scenarios, width))
        self.up_bias_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        self.scale_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        self.shift_Kd = nn.Parameter(torch.zeros(n_scenarios, d_model))
        last = nn.Linear(config.hyper, k * k)
        with torch.no_grad():
            last.bias.copy_(torch.eye(k).flatten())
        self.hyper = nn.Sequential(nn.Linear(d_model, config.hyper), nn.ReLU(), last)

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        k = self.config.instance
        instance_Nkk = self.hyper(h_Nd).view(-1, k, k)
        narrow_Nw = self._through(h_Nd, self.down_u_Kdk, instance_Nkk, self.down_v_Kkw, routing)
        narrow_Nw = (narrow_Nw + routed(self.down_bias_Kw, routing)).sigmoid()
        wide_Nd = self._through(narrow_Nw, self.up_u_Kwk, instance_Nkk, self.up_v_Kkd, routing)
        vectors_K3d = torch.stack([self.up_bias_Kd, self.scale_Kd, self.shift_Kd], 1)
        bias_Nd, scale_Nd, shift_Nd = routed(vectors_K3d, routing).unbind(1)
        normed_Nd = nn.functional.layer_norm(wide_Nd + bias_Nd, (self.d_model,))
        return h_Nd + scale_Nd * normed_Nd + shift_Nd

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if not name.startswith("hyper.")}

    @staticmethod
    def _through(x_Ni: Tensor, u_Kik: Tensor, instance_Nkk: Tensor, v_Kko: Tensor, routing: Routing) -> Tensor:
        """``x U_k I V_k``: ``[N, o]``."""
        narrow_Nk = routed_linear(x_Ni, u_Kik, routing)
        turned_Nk = torch.bmm(narrow_Nk.unsqueeze(1), instance_Nkk).squeeze(1)
        return routed_linear(turned_Nk, v_Kko, routing)


def _factor(n_scenarios: int, n_in: int, n_out: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(n_scenarios, n_in, n_out) / n_in**0.5)
