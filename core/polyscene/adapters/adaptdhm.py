"""Clusters instead of scenarios: which function a row goes through is learned from the row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from polyscene.adapters.bank import AdapterBank, Routing, routed, routed_linear
from polyscene.adapters.options import check_counts
from polyscene.errors import ConfigError


@dataclass
class AdaptDhmConfig:
    """Options of the clusters.

    Args:
        clusters: number of clusters J.
        hidden: hidden width f of the cluster's function.
        momentum: share of a center that a training step keeps, from 0 to below 1.
    """

    clusters: int = 4
    hidden: int = 64
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_counts(self, "adaptdhm", "clusters", "hidden")
        if not 0 <= self.momentum < 1:
            raise ConfigError(
                f"momentum is {self.momentum}", where="adapter 'adaptdhm'", fix="use a number from 0 to below 1"
            )


class AdaptDhm(AdapterBank):
    """``z = h + gelu(h (D * D_j) + b + b_j) (U * U_j)``, j the row's cluster [Li et al., arXiv:2211.12105].

    Ignores the scenario. A row goes to the cluster of the largest ``r_j = softmax_j <h, c_j>``. In training,
    centers follow the rows: ``c_j <- unit(m c_j + (1 - m) unit(sum_n r_nj h_n))``, one move per call, as in the
    authors' later code; in eval mode they stay. They are a buffer: in a checkpoint, and with several processes
    everywhere what they are in the first one. ``D_j = U_j = 1``, ``b_j = 0`` and ``U = 0`` at the start, so ``z =
    h``.
    """

    ignores_scenario = True
    source = "AdaptDHM, arXiv 2211.12105"
    config: AdaptDhmConfig
    center_Jd: Tensor

    def __init__(self, config: AdaptDhmConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        clusters, hidden = config.clusters, config.hidden
        self.down_df = nn.Parameter(torch.randn(d_model, hidden) / d_model**0.5)
        self.bias_f = nn.Parameter(torch.zeros(hidden))
        self.up_fd = nn.Parameter(torch.zeros(hidden, d_model))
        self.cluster_down_Jdf = nn.Parameter(torch.ones(clusters, d_model, hidden))
        self.cluster_bias_Jf = nn.Parameter(torch.zeros(clusters, hidden))
        self.cluster_up_Jfd = nn.Parameter(torch.ones(clusters, hidden, d_model))
        self.register_buffer("center_Jd", normalize(torch.randn(clusters, d_model), dim=-1))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        cluster = Routing(index_N=self._assign(h_Nd.detach(), routing.real_N))
        hidden_Nf = routed_linear(h_Nd, self.down_df * self.cluster_down_Jdf, cluster)
        hidden_Nf = gelu(hidden_Nf + routed(self.bias_f + self.cluster_bias_Jf, cluster))
        return h_Nd + routed_linear(hidden_Nf, self.up_fd * self.cluster_up_Jfd, cluster)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {}

    def _assign(self, h_Nd: Tensor, real_N: Tensor | None) -> Tensor:
        """The rows' clusters ``[N]``; while training, the centers then move toward the rows."""
        affinity_NJ = h_Nd @ self.center_Jd.to(h_Nd.dtype).T
        if self.training:
            real_Nd = h_Nd if real_N is None else h_Nd * real_N.unsqueeze(-1)
            towards_Jd = normalize(affinity_NJ.softmax(-1).T @ real_Nd, dim=-1)
            self.center_Jd.copy_(
                normalize(self.center_Jd.lerp(towards_Jd.to(self.center_Jd), 1 - self.config.momentum), dim=-1)
            )
        return affinity_NJ.argmax(-1)
