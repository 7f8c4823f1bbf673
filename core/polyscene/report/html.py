"""The report of a training run: tables, charts, sources, costs and config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from polyscene.report.by_count import count_chart
from polyscene.report.charts import Bar, Line, Point, bars, lines
from polyscene.report.few_shot import shot_chart, shot_curves
from polyscene.report.history import Curve, read_curves
from polyscene.report.overview import choices, made_with, scenario_map
from polyscene.report.page import CONFIG, fingerprint_of, text_of, write_page
from polyscene.report.scenarios import COSINE, FACTS, cosine_map, mean_cosines, shared_maps
from polyscene.report.schema import read_metrics
from polyscene.report.summary import (
    POPULATION_TITLES,
    Block,
    blocks,
    lower_is_better,
    method_title,
    routing_statement,
    seed_statement,
    spread_statement,
    verdict,
)
from polyscene.report.units import duration


def write_html(run: Path) -> Path:
    """Writes ``run/report.html`` from the files of the run directory and returns its path.

    Needs metrics.json; learning curves (metrics.jsonl), config (resolved.yaml) and fingerprint.json are shown
    where they exist. The page refers to nothing outside itself, and every text in it is escaped.

    Raises:
        CheckpointError: if metrics.json is missing or damaged, or the page cannot be written.
    """
    metrics = read_metrics(run)
    recorded = read_curves(run)
    cosines = mean_cosines(recorded)
    curves = [curve for curve in recorded if not curve.metric.startswith(COSINE)]
    all_blocks = blocks(metrics["results"])
    scenarios = dict.fromkeys([*(block.scenario for block in all_blocks), *metrics["sources"]])
    values = {
        "metrics": metrics,
        "scenarios": {name: [block for block in all_blocks if block.scenario == name] for name in scenarios},
        "anchors": {name: f"scenario-{i}" for i, name in enumerate(scenarios)},
        "curves": {name: [curve for curve in curves if curve.scenario == name] for name in scenarios},
        "count_charts": {name: count_chart(name, metrics.get("by_count", [])) for name in scenarios},
        "examples": {name: _examples(name, metrics) for name in scenarios},
        "stage_chart": _stage_chart(metrics["seconds"]),
        "population_titles": POPULATION_TITLES,
        "scenario_map": scenario_map(all_blocks),
        "choices": {**choices(text_of(run / CONFIG)), **made_with(fingerprint_of(run))},
        "comparison": metrics.get("scenarios"),
        "fact_formats": FACTS,
        "shared_maps": shared_maps,
        "cosine_map": cosine_map(cosines) if cosines else "",
        "training_charts": _training_charts(curves, list(scenarios)),
        "seeds": seed_statement(metrics["results"]),
        "spreads": spread_statement(metrics["results"]),
        "total_seconds": metrics["seconds"].get("total", sum(metrics["seconds"].values())),
        "parameters": _parameters(metrics["parameters"]),
        "best": Block.best,
        "lower_is_better": lower_is_better,
        "method_title": method_title,
        "routing_statement": routing_statement,
        "verdict": verdict,
        "shot_curves": shot_curves(metrics.get("few_shot", [])),
        "shot_chart": shot_chart,
        "block_chart": _block_chart,
        "curve_chart": _curve_chart,
    }
    return write_page(run, "page.html.j2", values)


def _block_chart(block: Block, spreads: str) -> Markup:
    metric = block.metrics[0]
    cells = {method: block.cells[method, metric] for method in block.methods if (method, metric) in block.cells}
    values = [
        Bar(method_title(method), cell.value, cell.spread, own=method == block.methods[0])
        for method, cell in cells.items()
    ]
    return bars(f"{block.scenario}, {block.title}, {metric}", values, caption=f"{metric}; whiskers: {spreads}")


def _curve_chart(curve: Curve) -> Markup:
    line = Line(curve.metric, [Point(step, value) for step, value in curve.points], own=True)
    merged = f", each point the mean of {curve.averaged} records" if curve.averaged > 1 else ""
    title = f"{curve.scenario} {curve.metric}".strip()
    return lines(title, [line], height=150, caption=title + merged)


def _training_charts(curves: Sequence[Curve], scenarios: Sequence[str]) -> list[Markup]:
    """Curves of several models or scenarios side by side, one chart for each metric."""
    found: dict[str, list[Curve]] = {}
    for curve in curves:
        found.setdefault(curve.metric, []).append(curve)
    return [
        lines(
            f"{metric} in training",
            [Line(one.scenario or "all", [Point(step, value) for step, value in one.points]) for one in same],
            y=metric,
            caption=f"{metric} on the way",
        )
        for metric, same in found.items()
        if len(same) > 1 or same[0].scenario not in scenarios
    ]


def _stage_chart(seconds: Mapping[str, float]) -> Markup | str:
    spent = {stage: value for stage, value in seconds.items() if stage != "total"}
    stages = [Bar(stage, value, own=True, text=duration(value)) for stage, value in spent.items()]
    return bars("Seconds by stage", stages, axis="seconds") if stages else ""


def _examples(scenario: str, metrics: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """A scenario's examples by population."""
    found: dict[str, list[dict[str, Any]]] = {}
    for example in metrics.get("examples", []):
        if example["scenario"] == scenario:
            found.setdefault(example["population"], []).append(example)
    return found


def _parameters(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of parameters by part, adapters by scenario."""
    parts = {name.replace("_", " "): count for name, count in parameters.items() if name != "adapters"}
    return parts | {f"adapter of {scenario}": count for scenario, count in parameters["adapters"].items()}
