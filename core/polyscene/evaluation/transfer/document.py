"""transfer.json: everything that a transfer run has found so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from polyscene.config.transfer import TransferConfig
from polyscene.evaluation.transfer.figures import Figures
from polyscene.evaluation.transfer.matrix import matrix
from polyscene.evaluation.transfer.negative import best_for_all, negative_transfer
from polyscene.evaluation.transfer.results import Found
from polyscene.evaluation.transfer.rows import UNTRAINED, Row
from polyscene.training.strategy import JOINT


def document(
    config: TransferConfig,
    scenarios: Iterable[str],
    rows: list[Row],
    found: list[Found],
    *,
    failed: Mapping[str, str],
    status: str,
) -> dict[str, Any]:
    """What the results of finished models come to.

    Args:
        config: the run's config.
        scenarios: the scenarios that could be loaded.
        rows: all rows that are wanted.
        found: results of the models and controls that are finished.
        failed: why models could not be trained, by ``seed0/joint`` and so on.
        status: ``running``, ``finished`` or ``interrupted``.
    """
    figures = Figures(found)
    return {
        "schema": 1,
        "status": status,
        "scenarios": list(scenarios),
        "seeds": config.seeds,
        "rows": [
            *({"label": name, "kind": "control", "trained": []} for name in config.controls),
            *(_row(row, config) for row in rows),
        ],
        "matrix": matrix(figures, config.controls, rows),
        "matrices": {
            population: matrix(Figures(found, population), config.controls, rows)
            for population in figures.populations
        },
        "negative_transfer": negative_transfer(figures, rows),
        "best_for_all": best_for_all(figures, rows),
        "validation": [
            {"row": one.label, "seed": one.seed, "scenario": name, "value": value}
            for one in found
            for name, value in one.validation.items()
        ],
        "results": [row for one in found for row in one.results],
        "failed": dict(failed),
    }


def _row(row: Row, config: TransferConfig) -> dict[str, Any]:
    chosen = {"adapter": config.adapter, "balancer": config.balancer} | (
        {row.part: row.choice} if row.part else {}
    )
    kind = UNTRAINED if not row.trained else "remedy" if row.part else JOINT if row.label == JOINT else "single"
    return {
        "label": row.label,
        "kind": kind,
        "trained": list(row.trained),
        "changed": row.part,
        **{part: choice.as_mapping() for part, choice in chosen.items() if choice is not None},
    }
