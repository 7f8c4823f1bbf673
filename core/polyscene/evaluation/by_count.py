"""How well targets are found by how often training saw their item: from cold items to the most popular ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from polyscene.data.phases import Phase
from polyscene.evaluation.measured import Measured

TOP = 10
LOWEST = (0, 1, 4, 16, 64, 256)
"""Where each group begins; the last one has no end."""
_POPULATIONS = ("warm", "cold_all")  # both ranked among all items


class ByCount:
    """Gathers the targets of a run; :meth:`add` is a :data:`~polyscene.evaluation.measured.Keep`."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], np.ndarray] = {}
        self._count: dict[str, torch.Tensor] = {}

    def add(self, measured: Measured) -> None:
        """Count a method's targets, and those among its first ten, by group."""
        subject, ranking = measured.subject, measured.ranking
        if not (measured.main and subject.ranked and measured.population.name in _POPULATIONS):
            return
        if subject.name not in self._count:
            trained_N = subject.events.matrix([Phase.TRAIN]).sum(axis=0)
            self._count[subject.name] = torch.from_numpy(np.asarray(trained_N).ravel())
        count_M = self._count[subject.name][ranking.item_M.cpu()]
        group_M = torch.bucketize(count_M.long(), torch.tensor(LOWEST[1:]), right=True)
        targets = torch.bincount(group_M, minlength=len(LOWEST))
        hits = torch.bincount(group_M[ranking.rank_M.cpu() <= TOP], minlength=len(LOWEST))
        both = torch.stack([targets, hits]).numpy()
        key = (subject.name, measured.method)
        self._found[key] = self._found.get(key, 0) + both

    def rows(self) -> list[dict[str, Any]]:
        """What ``metrics.json`` holds under ``by_count``: by scenario, method and group."""
        return [
            {
                "scenario": scenario,
                "method": method,
                "low": low,
                "high": high,
                "targets": int(targets),
                "value": float(hits / targets),
                "standard_error": math.sqrt(hits / targets * (1 - hits / targets) / targets),
            }
            for (scenario, method), found in self._found.items()
            for low, high, targets, hits in zip(LOWEST, (*(n - 1 for n in LOWEST[1:]), None), *found, strict=True)
            if targets
        ]
