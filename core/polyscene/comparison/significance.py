"""Whether one method differs from another by more than chance: two questions, two paired tests.

*Would another seed say the same?* Student's paired t-test over the seeds that both have. *Would other users say
the same?* The same test over single requests, each one's values averaged over the seeds: on rankings it agrees
with the randomization test and the bootstrap [Smucker, Allan and Carterette, CIKM 2007] and keeps its error rates
best [Urbano, Lima and Hanjalic, SIGIR 2019]. Both come from ``scipy.stats``; with many comparisons in one table,
p-values are adjusted by Benjamini and Hochberg's procedure (``scipy.stats.false_discovery_control``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

LEVEL = 0.05


@dataclass(frozen=True)
class PairedTest:
    """One method against another on one figure.

    Args:
        difference: the first minus the second, the mean over the seeds that both have.
        by_seeds: p-value over seeds; None with fewer than two, or where no seed changes anything.
        by_requests: p-value over requests; None where they were not kept.
        seeds, requests: how many stand behind the tests.
    """

    difference: float
    by_seeds: float | None
    by_requests: float | None
    seeds: int
    requests: int

    @property
    def clear(self) -> bool:
        """Whether every test that could be made says that the difference is more than chance."""
        found = [p for p in (self.by_seeds, self.by_requests) if p is not None]
        return bool(found) and max(found) < LEVEL

    @property
    def marks(self) -> str:
        """``*`` where the requests say so, ``†`` where the seeds do."""
        return "".join(
            mark for mark, p in (("*", self.by_requests), ("†", self.by_seeds)) if p is not None and p < LEVEL
        )


def paired(
    one: Mapping[int, float],
    other: Mapping[int, float],
    requests: tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]],
) -> PairedTest | None:
    """One method against another.

    Args:
        one, other: figures by seed.
        requests: values of single requests by seed, of the one and of the other; either may be empty.

    Returns:
        The test before adjustment, None without a common seed.
    """
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    differences = np.array([one[seed] - other[seed] for seed in seeds])
    mine, theirs = ({seed: found[seed] for seed in seeds if seed in found} for found in requests)
    values, p = np.empty(0), None
    if mine.keys() == theirs.keys() and mine:
        pairs = [(mine[seed], theirs[seed]) for seed in mine]
        if all(len(a) == len(b) == len(pairs[0][0]) for a, b in pairs):
            values = np.mean([a.astype(np.float64) - b for a, b in pairs], axis=0)
            values = values[~np.isnan(values)]
            p = _p_value(values)
    return PairedTest(float(differences.mean()), _p_over_seeds(differences), p, len(seeds), len(values))


def adjusted(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests of one table with p-values adjusted for their number, those of each question on their own."""
    by_seeds = _adjusted([test.by_seeds for test in tests])
    by_requests = _adjusted([test.by_requests for test in tests])
    return [
        replace(test, by_seeds=seeds, by_requests=requests)
        for test, seeds, requests in zip(tests, by_seeds, by_requests, strict=True)
    ]


def _p_over_seeds(differences: np.ndarray) -> float | None:
    """None also where all seeds agree to the last digit: counts, for which a seed is no repetition."""
    return None if len(differences) < 2 or np.ptp(differences) == 0 else _p_value(differences)


def _p_value(differences: np.ndarray) -> float | None:
    if len(differences) < 2:
        return None
    if np.ptp(differences) == 0:
        return 1.0 if differences[0] == 0 else 0.0
    return float(np.asarray(stats.ttest_1samp(differences, 0.0))[1])


def _adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    known = [p for p in p_values if p is not None]
    found = iter(stats.false_discovery_control(known, method="bh").tolist() if known else ())
    return [None if p is None else next(found) for p in p_values]
