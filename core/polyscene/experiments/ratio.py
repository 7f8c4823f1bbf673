"""The sample-ratio check: whether arms have as many users as they should."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

LEVEL = 0.001
"""How often a sound experiment may be called invalid, over all looks together."""
_TRUST = 100.0  # how many users the alternative's expectation of the stated shares is worth


def ratio_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """A p-value that may be looked at after every user, for counts of users against stated shares.

    The ratio of the multinomial likelihood with shares drawn from a Dirichlet distribution around the stated ones
    to that with the stated ones is a martingale when those are true; so it reaches ``1 / level`` with a
    probability of at most ``level`` at any time [Lindon and Malek, NeurIPS 2022]. A chi-square test made again and
    again would call every experiment invalid in the end.

    Args:
        counts: users of each arm.
        shares: what each arm should get; sums to 1.

    Example:
        >>> ratio_p_value([5050, 4950], [0.5, 0.5])
        1.0
        >>> ratio_p_value([5400, 4600], [0.5, 0.5]) < 1e-9
        True
    """
    count_A, share_A = np.asarray(counts, dtype=np.float64), np.asarray(shares, dtype=np.float64)
    prior_A = _TRUST * share_A
    log_ratio = (
        gammaln(_TRUST)
        - gammaln(_TRUST + count_A.sum())
        + (gammaln(prior_A + count_A) - gammaln(prior_A)).sum()
        - (count_A * np.log(share_A)).sum()
    )
    return float(np.exp(min(0.0, -log_ratio)))
