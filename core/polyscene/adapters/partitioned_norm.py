"""Partitioned normalization: batch normalization whose statistics belong to a scenario."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing, routed


class PartitionedNorm(nn.Module):
    """``(gamma_s gamma_k) (x - mean_k) / sqrt(var_k + eps) + (beta_s + beta_k)`` [Sheng et al., CIKM'21].

    In training, mean and (biased) variance are those of the scenario's rows in the batch, and running ones, the
    variance unbiased as in BatchNorm, follow them. In eval mode the running ones count alone. A scenario with
    fewer than two rows in a batch has no variance there: it takes its running statistics and leaves them as they
    are. Soft weights weigh rows, and mix running statistics. Rows that only fill a batch up count for nothing.

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

    def forward(self, x_Nd: Tensor, routing: Routing) -> Tensor:
        wide_Nd = x_Nd.to(self.mean_Kd.dtype)
        mean_Kd, var_Kd = self.mean_Kd, self.var_Kd
        if self.training:
            mean_Kd, var_Kd = self._batch_statistics(wide_Nd, routing)
        normed_Nd = (wide_Nd - routed(mean_Kd, routing)) * routed((var_Kd + self.eps).rsqrt(), routing)
        scale_Nd = self.scale_d * routed(self.scale_Kd, routing)
        return torch.addcmul(self.shift_d + routed(self.shift_Kd, routing), scale_Nd, normed_Nd).to(x_Nd.dtype)

    def _batch_statistics(self, x_Nd: Tensor, routing: Routing) -> tuple[Tensor, Tensor]:
        """Means and variances ``[K, d]`` of this batch; the running ones take a step toward them."""
        real_N1 = torch.ones_like(x_Nd[:, :1]) if routing.real_N is None else routing.real_N.unsqueeze(1).to(x_Nd)
        count_K1 = self._sum_by_scenario(real_N1, routing)
        enough_K1, divisor_K1 = count_K1 >= 2, count_K1.clamp(min=2)
        mean_Kd = self._sum_by_scenario(real_N1 * x_Nd, routing) / divisor_K1
        squares_Kd = self._sum_by_scenario(real_N1 * (x_Nd - routed(mean_Kd, routing)).square(), routing)
        with torch.no_grad():
            share_K1 = self.momentum * enough_K1
            self.mean_Kd.lerp_(mean_Kd.detach(), share_K1.to(mean_Kd.dtype))
            self.var_Kd.lerp_(squares_Kd.detach() / (divisor_K1 - 1), share_K1.to(mean_Kd.dtype))
        return (
            torch.where(enough_K1, mean_Kd, self.mean_Kd),
            torch.where(enough_K1, squares_Kd / divisor_K1, self.var_Kd),
        )

    def _sum_by_scenario(self, x_Nd: Tensor, routing: Routing) -> Tensor:
        """Sums ``[K, d]`` over each scenario's rows."""
        if routing.weights_NK is not None:
            return routing.weights_NK.to(x_Nd.dtype).T @ x_Nd
        assert routing.index_N is not None
        return x_Nd.new_zeros(len(self.mean_Kd), x_Nd.shape[1]).index_add(0, routing.index_N, x_Nd)
