"""A run in one picture, and in the words of its config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from markupsafe import Markup

from polyscene.report.charts import Cell, heat
from polyscene.report.summary import Block, lower_is_better, method_title
from polyscene.report.units import figure

CHOICES = ("strategy", "adapter", "balancer", "router", "backbone", "fusion", "sequence", "trainer")
"""Parts of the config that have a name, in the order in which a reader asks for them."""


PACKAGES = ("polyscene", "torch", "transformers")
COMMIT = 12  # letters of a commit that tell it apart


def choices(config: str) -> dict[str, str]:
    """What was chosen, from the text of resolved.yaml: scenarios, seed, and the name of each part."""
    try:
        found: Any = yaml.safe_load(config) or {}
    except yaml.YAMLError:
        return {}
    if not isinstance(found, dict):
        return {}
    said = {"scenarios": _names(found.get("scenario")), "seed": found.get("seed")}
    said |= {part: found[part].get("name") for part in CHOICES if isinstance(found.get(part), dict)}
    trainer = found.get("trainer")
    if isinstance(trainer, dict):
        said |= {
            "steps": trainer.get("steps"),
            "rows per step": trainer.get("batch_rows"),
            "learning rate": trainer.get("lr"),
        }
    return {what: str(value) for what, value in said.items() if value not in (None, "")}


def made_with(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """The versions that results depend on most, from the rows of a fingerprint."""
    versions = {name: fingerprint.get(f"versions · {name}") for name in PACKAGES}
    said = {
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        "python": fingerprint.get("python", ""),
        "code": fingerprint.get("git", "")[:COMMIT],
    }
    return {what: value for what, value in said.items() if value}


def scenario_map(blocks: Sequence[Block]) -> Markup | str:
    """All methods in all scenarios, each by the first metric of its first population; empty for a single method.

    Shades compare with the run's own model, as a part of the largest difference in the column.
    """
    first: dict[str, Block] = {}
    for block in blocks:
        first.setdefault(block.scenario, block)
    methods = list(dict.fromkeys(method for block in first.values() for method in block.methods))
    if len(methods) < 2:
        return ""
    columns = {name: f"{name}\n{block.metrics[0]}" for name, block in first.items()}
    cells = [cell for name, block in first.items() for cell in _column(block, columns[name])]
    return heat(
        "All scenarios and methods",
        cells,
        rows=[method_title(method) for method in methods],
        columns=list(columns.values()),
        caption="Green is better and brown worse than the framed cell of the column, the run's own model.",
    )


def _column(block: Block, column: str) -> list[Cell]:
    metric = block.metrics[0]
    sign = -1 if lower_is_better(metric) else 1
    found = {method: block.cells[method, metric] for method in block.methods if (method, metric) in block.cells}
    own = found.get(block.methods[0])
    gain = {method: sign * (cell.value - own.value) if own else 0.0 for method, cell in found.items()}
    widest = max(map(abs, gain.values()), default=0.0) or 1.0
    return [
        Cell(
            method_title(method),
            column,
            figure(cell.value),
            "" if cell.spread is None else f"± {figure(cell.spread)}",
            gain[method] / widest,
            framed=method == block.methods[0],
        )
        for method, cell in found.items()
    ]


def _names(scenarios: Any) -> str:
    return ", ".join(scenarios) if isinstance(scenarios, Mapping | list) else ""
