"""Results as a transfer run keeps them, with figures chosen by hand."""

from __future__ import annotations

from collections.abc import Mapping

from polyscene.evaluation.transfer.results import Found


def found(
    label: str,
    seed: int | None,
    values: Mapping[str, float],
    validation: Mapping[str, float] | None = None,
    *,
    metric: str = "ndcg@10",
    standard_error: float | None = 0.01,
) -> Found:
    """A model's (or a control's) results: one figure for each scenario."""
    rows = [
        {
            "protocol": "full ranking",
            "scenario": scenario,
            "view": "all",
            "population": population,
            "method": label,
            "metric": metric,
            "value": value if population == "warm" else value / 2,
            "users": 50,
            "standard_error": standard_error,
            "seed": seed or 0,
        }
        for population in ("warm", "cold")
        for scenario, value in values.items()
    ]
    return Found(label, seed, rows, dict(validation or {}), 1.5)
