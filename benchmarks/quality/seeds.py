"""Figures of runs with several seeds, as rows of a results file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from statistics import fmean, stdev
from typing import Any

# (protocol, scenario, method, metric)
Key = tuple[str, str, str, str]


class OverSeeds:
    """Gathers figures seed by seed.

    Args:
        command: what makes the results file.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._values: dict[Key, dict[int, float]] = defaultdict(dict)

    def add(self, key: Key, seed: int, value: float) -> None:
        """One figure of one seed; ``key`` is protocol, scenario, method and metric."""
        self._values[key][seed] = value

    def rows(self) -> Iterator[dict[str, Any]]:
        """Mean and standard deviation of every figure, in the order in which figures first came."""
        for (protocol, scenario, method, metric), by_seed in self._values.items():
            yield {
                "protocol": protocol,
                "scenario": scenario,
                "method": method,
                "metric": metric,
                "mean": fmean(by_seed.values()),
                "std": stdev(by_seed.values()) if len(by_seed) > 1 else None,
                "seeds": sorted(by_seed),
                "command": self.command,
            }


def protocol_of(row: Mapping[str, Any]) -> str:
    """Split and ranking of a row of ``metrics.json``, without the folder where this machine keeps the split."""
    return f"{re.sub(r'path=[^ ,)]*/', 'path=', row['protocol'])}; view {row['view']}, {row['population']}"
