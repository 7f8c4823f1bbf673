"""Options of retrieval."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.config.validate import bounded


@dataclass(frozen=True)
class RetrievalConfig:
    """How catalogues are searched.

    Args:
        approximate_above: catalogues with more items than this are searched through an approximate index (extra
            ``ann``), where scores are inner products alone; 0 searches all of them exactly.
        probes: how many of the index's lists are read for a request: more find more, and cost more.
    """

    approximate_above: int = bounded(0, at_least=0)
    probes: int = bounded(32, at_least=1)
