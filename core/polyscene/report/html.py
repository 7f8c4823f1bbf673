"""report.html: one file that needs nothing else, with tables, charts, sources, costs and the config of a run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError
from polyscene.report import units
from polyscene.report.history import read_curves
from polyscene.report.schema import read_metrics
from polyscene.report.summary import (
    Block,
    blocks,
    lower_is_better,
    method_title,
    seed_statement,
    spread_statement,
    verdict,
)
from polyscene.report.svg import Bar, bar_chart, line_chart

FILE = "report.html"


def write_html(run: Path) -> Path:
    """Writes ``run/report.html`` from the files of the run directory and returns its path.

    Needs metrics.json; learning curves (metrics.jsonl), config (resolved.yaml) and fingerprint.json are shown
    where they exist. The page refers to nothing outside itself, and every text in it is escaped.

    Raises:
        CheckpointError: if metrics.json is missing or damaged, or the page cannot be written.
    """
    path = run / FILE
    page = _page(run)
    with atomic_path(path, CheckpointError) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _page(run: Path) -> str:
    metrics = read_metrics(run)
    curves = read_curves(run)
    all_blocks = blocks(metrics["results"])
    scenarios = dict.fromkeys([*(block.scenario for block in all_blocks), *metrics["sources"]])
    style, script = _asset("page.css"), _asset("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(
        best=Block.best,
        lower_is_better=lower_is_better,
        method_title=method_title,
        verdict=verdict,
        block_chart=_block_chart,
        line_chart=line_chart,
    )
    environment.filters.update(figure=units.figure, duration=units.duration, memory=units.memory)
    return environment.from_string(_asset("page.html.j2")).render(
        name=run.resolve().name,
        metrics=metrics,
        scenarios={name: [block for block in all_blocks if block.scenario == name] for name in scenarios},
        anchors={name: f"scenario-{i}" for i, name in enumerate(scenarios)},
        curves={name: [curve for curve in curves if curve.scenario == name] for name in scenarios},
        shared_curves=[curve for curve in curves if curve.scenario not in scenarios],
        seeds=seed_statement(metrics["results"]),
        spreads=spread_statement(metrics["results"]),
        total_seconds=metrics["seconds"].get("total", sum(metrics["seconds"].values())),
        parameters=_parameters(metrics["parameters"]),
        config=_text(run / "resolved.yaml"),
        fingerprint=_fingerprint(run / "fingerprint.json"),
        style=Markup(style),  # noqa: S704  (our own file)
        script=Markup(script),  # noqa: S704  (our own file)
        style_hash=_digest(style),
        script_hash=_digest(script),
    )


def _block_chart(block: Block) -> Markup:
    metric = block.metrics[0]
    cells = {method: block.cells[method, metric] for method in block.methods if (method, metric) in block.cells}
    bars = [
        Bar(method_title(method), cell.value, cell.spread, own=method == block.methods[0])
        for method, cell in cells.items()
    ]
    return bar_chart(f"{block.scenario}, {block.title}, {metric}", bars)


def _parameters(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of parameters by part, adapters by scenario."""
    parts = {name.replace("_", " "): count for name, count in parameters.items() if name != "adapters"}
    return parts | {f"adapter of {scenario}": count for scenario, count in parameters["adapters"].items()}


def _asset(name: str) -> str:
    return resources.files("polyscene.report").joinpath("page", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What the page's content security policy names, so that nothing but our own script and style can act."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _fingerprint(path: Path) -> Mapping[str, str]:
    """The fingerprint as rows; nested values as JSON."""
    try:
        found: Any = json.loads(_text(path) or "{}")
    except ValueError:
        return {"fingerprint.json": "not valid JSON"}
    if not isinstance(found, dict):
        return {"fingerprint.json": json.dumps(found)}
    flat: dict[str, str] = {}
    for key, value in found.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for name, leaf in inner:
            label = f"{key} · {name}" if name else str(key)
            flat[label] = leaf if isinstance(leaf, str) else json.dumps(leaf, ensure_ascii=False)
    return flat
