"""What rewards say about users and items together: one Bayesian linear model for all items.

With prior ``w ~ N(m, I / l2)`` and rewards of variance ``noise^2``, the posterior after observations ``(f, r)`` is
``N(A^-1 b, noise^2 A^-1)`` with ``A = l2 I + sum f f'`` and ``b = l2 m + sum r f`` (in units of the noise), the
model of LinUCB [Li, Chu, Langford and Schapire, WWW 2010] with parameters that items share, and of linear Thompson
sampling [Agrawal and Goyal, ICML 2013].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from polyscene.config.validate import bounded
from polyscene.errors import ExperimentError
from polyscene.experiments.policies.greedy import EpsilonConfig
from polyscene.experiments.policies.policy import Candidates, Policy, Rewards

_FLAT = 1e-6  # scores that differ less are one


@dataclass
class LinearConfig(EpsilonConfig):
    """Options of policies that learn a linear model.

    Args:
        epsilon: share of lists that are random ones of the pool, so that other policies can be estimated.
        l2: how many observations the prior is worth.
        trust: how much reward a score of one standard deviation above the pool's mean is worth before anything
            was learned.
    """

    epsilon: float = bounded(0.05, at_least=0, at_most=1)
    l2: float = bounded(1.0, at_least=1e-6)
    trust: float = bounded(0.1, at_least=0)


class LinearPolicy(Policy):
    """Values items by a linear model of their reward; what the subclass adds is how it explores.

    Features: a constant, the score against the pool's mean in the pool's standard deviations, the item vector, and
    the products of user state and item vector, vectors at length 1. A new item is known by its vector
    at once, and the size of the state depends on the vectors' width only. Before any reward the order is the
    model's own, but for exploration.

    A list's first places are looked at more than its last ones, and the model does not know: learn from the first
    places, or from views, where that matters.
    """

    reads_vectors = True
    config: LinearConfig
    gram_ff: Tensor
    sum_f: Tensor
    count: Tensor

    def __init__(self, config: LinearConfig, d: int) -> None:
        super().__init__(config, d)
        width = 2 + 2 * d
        prior_f = torch.zeros(width, dtype=torch.float64)
        prior_f[1] = config.trust
        # Double precision: sums of many products, and what is solved from them.
        self.register_buffer("gram_ff", config.l2 * torch.eye(width, dtype=torch.float64))
        self.register_buffer("sum_f", config.l2 * prior_f)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(lambda module, _: module.solve())
        self.solve()

    def solve(self) -> None:
        """Posterior mean and the root ``L^-1`` of the covariance ``(L L')^-1``, from the sums."""
        lower_ff = torch.linalg.cholesky(self.gram_ff)
        eye_ff = torch.eye(len(lower_ff), dtype=lower_ff.dtype, device=lower_ff.device)
        self.root_ff = torch.linalg.solve_triangular(lower_ff, eye_ff, upper=False)
        self.mean_f = self.root_ff.T @ (self.root_ff @ self.sum_f)

    def context(self, pool: Candidates) -> Tensor:
        if pool.vector_Kd is None or pool.user_d is None or pool.vector_Kd.shape[1] != self.d:
            raise ExperimentError(
                f"policy '{self.name}' needs the user's state and item vectors of width {self.d}",
                where="candidates of a policy",
                fix="give vector_Kd and user_d, or use a policy that reads scores only, such as 'epsilon'",
            )
        score_K = pool.score_K.double()
        spread = score_K.std(correction=0).clamp(min=_FLAT)
        return torch.cat([torch.stack([score_K.mean(), spread]), pool.user_d.double()])

    def features(self, context_Bc: Tensor, vector_Bd: Tensor, score_B: Tensor) -> Tensor:
        """Features ``[B, f]`` of items in contexts."""
        context_Bc = context_Bc.double()
        mean_B, spread_B, user_Bd = context_Bc[:, 0], context_Bc[:, 1], normalize(context_Bc[:, 2:], dim=1)
        item_Bd = normalize(vector_Bd.double(), dim=1)
        z_B = (score_B.double() - mean_B) / spread_B
        both_Bd = self.d**0.5 * user_Bd * item_Bd
        return torch.cat([torch.stack([torch.ones_like(z_B), z_B], 1), item_Bd, both_Bd], 1)

    def pool_features(self, pool: Candidates, context: Tensor | None) -> Tensor:
        """Features ``[P, f]`` of a pool."""
        if pool.vector_Kd is None or context is None:
            return self.sum_f.new_zeros(len(pool.score_K), len(self.sum_f))
        return self.features(context.expand(len(pool.score_K), -1), pool.vector_Kd, pool.score_K)

    @torch.no_grad()
    def learn(self, rewards: Rewards) -> None:
        """Add observations; in which order and in how many parts does not matter.

        Raises:
            ExperimentError: shapes do not fit, or a number is not finite; nothing is learned then.
        """
        rows, wanted = len(rewards.reward_B), 2 + self.d
        given = (rewards.context_Bc, rewards.vector_Bd, rewards.score_B, rewards.reward_B)
        shapes = [tuple(one.shape) for one in given]
        if shapes != [(rows, wanted), (rows, self.d), (rows,), (rows,)] or not all(
            bool(one.isfinite().all()) for one in given
        ):
            raise ExperimentError(
                f"rewards have the shapes {shapes} or hold numbers that are not finite",
                where=f"policy '{self.name}'",
                fix=f"give contexts [B, {wanted}] as logged, vectors [B, {self.d}], scores [B] and rewards [B]",
            )
        feature_Bf = self.features(rewards.context_Bc, rewards.vector_Bd, rewards.score_B)
        self.gram_ff += feature_Bf.T @ feature_Bf
        self.sum_f += feature_Bf.T @ rewards.reward_B.double()
        self.count += rows
        self.solve()
