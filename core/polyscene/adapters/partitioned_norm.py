"""Partitioned normalization: batch normalization whose statistics belong to a scenario."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing, routed


class PartitionedNorm(nn.Module):
    """``(gamma_s gamma_k) (x - mean_k) / sqrt(var_k + eps) + (beta_s + beta_k)`` [Sheng et al., CIKM'21].

    Mean and variance are running ones, in training too: a step takes items in several calls (histories, targets,
    sampled candidates), and statistics of a call's own rows would tell the model which call a vector came from;
    it then separates targets from candidates by that alone and ranks like chance in eval mode. The gradient is
    that of normalizing by the call's own rows, as in batch renormalization [Ioffe, NeurIPS 2017] without its
    bounds. What a call finds of a scenario with at least two rows (the variance unbiased, as in BatchNorm) moves
    the running statistics at :meth:`settle`, so all calls of a step normalize alike. Soft weights weigh rows, and
    mix statistics. Rows that only fill a batch up count for nothing.

    Args:
        width: number of features d.
        n_scenarios: number of scenarios K.
        momentum: share by which running statistics move toward those of a batch.
        eps: added to a variance.
    """

    mean_Kd: Tensor
    var_Kd: Tensor

    def __init__(self, width: int, n_scenarios: int, momentum: float, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.scale_d, self.shift_d = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.scale_Kd = nn.Parameter(torch.ones(n_scenarios, width))
        self.shift_Kd = nn.Parameter(torch.zeros(n_scenarios, width))
        self.register_buffer("mean_Kd", torch.zeros(n_scenarios, width))
        self.register_buffer("var_Kd", torch.ones(n_scenarios, width))
        self._found: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, x_Nd: Tensor, routing: Routing) -> Tensor:
        wide_Nd = x_Nd.to(self.mean_Kd.dtype)
        if self.training:
            normed_Nd = self._normed_by_rows(wide_Nd, routing)
        else:
            inverse_Kd = (self.var_Kd + self.eps).rsqrt()
            normed_Nd = (wide_Nd - routed(self.mean_Kd, routing)) * routed(inverse_Kd, routing)
        scale_Nd = self.scale_d * routed(self.scale_Kd, routing)
        return torch.addcmul(self.shift_d + routed(self.shift_Kd, routing), scale_Nd, normed_Nd).to(x_Nd.dtype)

    @torch.no_grad()
    def settle(self) -> None:
        """Move the running statistics toward what was found since the last time."""
        for share_K1, mean_Kd, var_Kd in self._found:
            self.mean_Kd.lerp_(mean_Kd, share_K1)
            self.var_Kd.lerp_(var_Kd, share_K1)
        self._found.clear()

    def _normed_by_rows(self, x_Nd: Tensor, routing: Routing) -> Tensor:
        """By running statistics in value, by those of these rows in gradient, which are kept until settled."""
        real_N1 = torch.ones_like(x_Nd[:, :1]) if routing.real_N is None else routing.real_N.unsqueeze(1).to(x_Nd)
        count_K1 = self._sum_by_scenario(real_N1, routing)
        enough_K1, divisor_K1 = count_K1 >= 2, count_K1.clamp(min=2)
        mean_Kd = self._sum_by_scenario(real_N1 * x_Nd, routing) / divisor_K1
        squares_Kd = self._sum_by_scenario(real_N1 * (x_Nd - routed(mean_Kd, routing)).square(), routing)
        share_K1 = (self.momentum * enough_K1).to(mean_Kd.dtype)
        self._found.append((share_K1, mean_Kd.detach(), squares_Kd.detach() / (divisor_K1 - 1)))
        mean_Kd = torch.where(enough_K1, mean_Kd, self.mean_Kd)
        var_Kd = torch.where(enough_K1, squares_Kd / divisor_K1, self.var_Kd) + self.eps
        running_Kd = (self.var_Kd + self.eps).rsqrt()
        ratio_Kd, offset_Kd = (
            (var_Kd.sqrt() * running_Kd).detach(),
            ((mean_Kd - self.mean_Kd) * running_Kd).detach(),
        )
        normed_Nd = (x_Nd - routed(mean_Kd, routing)) * routed(var_Kd.rsqrt() * ratio_Kd, routing)
        return normed_Nd + routed(offset_Kd, routing)

    def _sum_by_scenario(self, x_Nd: Tensor, routing: Routing) -> Tensor:
        """Sums ``[K, d]`` over each scenario's rows."""
        if routing.weights_NK is not None:
            return routing.weights_NK.to(x_Nd.dtype).T @ x_Nd
        assert routing.index_N is not None
        return x_Nd.new_zeros(len(self.mean_Kd), x_Nd.shape[1]).index_add(0, routing.index_N, x_Nd)
