"""Which scenarios help each other, in one picture: transfer, gradients and shared words of every pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from polyscene.report.charts import Cell, heat
from polyscene.report.summary import lower_is_better
from polyscene.report.transfer_view import MARKS
from polyscene.report.units import figure

CAPTION = (
    "Down: what was learned. Across: what was tested. A pair: the figure of a model that learned only the one, "
    "above the better of popularity and the untrained model on the other. Last row: the joint model minus the one "
    "trained alone. Green helps, brown hurts, a sign behind the figure where it is clear. Below: the cosine of "
    "their gradients, and the share of the tested scenario's words that the other one has."
)
JOINTLY = "all jointly"
THAN_ALONE = {
    "clearly better": "clearly better than alone",
    "clearly worse": "clearly worse than alone",
    "within spread": "within the spread of training alone",
    "of unknown spread": "not to be told from training alone: its spread is not known",
}
"""What is said of a verdict on joint minus single training."""


def helps_map(found: Mapping[str, Any]) -> Markup:
    """The picture; empty where nothing can be compared yet.

    Args:
        found: the contents of transfer.json.
    """
    columns = {one["scenario"]: one for one in found["matrix"]["columns"]}
    titles = {name: f"{name}\n{one['metric']}" for name, one in columns.items()}
    effects = list(_effects(found))
    if not effects:
        return Markup("")
    cells = []
    for source, target, effect, mark in effects:
        widest = max((abs(other[2]) for other in effects if other[1] == target), default=0.0) or 1.0
        sign = "+" if effect >= 0 else MARKS["loss"]
        text = f"{sign}{figure(abs(effect))} {MARKS[mark]}".rstrip()
        cells.append(Cell(source, titles[target], text, _shared(found, source, target), effect / widest))
    rows = [name for name in (*columns, JOINTLY) if any(effect[0] == name for effect in effects)]
    return heat(
        "Which scenarios help each other", cells, rows=rows, columns=list(titles.values()), caption=CAPTION
    )


def helps_sentences(found: Mapping[str, Any]) -> Iterator[str]:
    """The same in words: who clearly helps and hurts each scenario, and what joint training does to it."""
    effects = list(_effects(found))
    outcomes = {entry["scenario"]: entry["difference"]["verdict"] for entry in found["negative_transfer"]}
    tested = {effect[1] for effect in effects}
    for target in (one["scenario"] for one in found["matrix"]["columns"] if one["scenario"] in tested):
        by_mark = {
            mark: [
                source
                for source, other, _, own in effects
                if other == target and own == mark and source != JOINTLY
            ]
            for mark in ("gain", "loss")
        }
        said = [f"{verb} by {', '.join(names)}" for verb, names in _verbs(by_mark) if names]
        together = f"; trained jointly it is {THAN_ALONE[outcomes[target]]}" if target in outcomes else ""
        alone = " and ".join(said) or "neither clearly helped nor clearly hurt by another scenario alone"
        yield f"{target} is {alone}{together}."


def _verbs(by_mark: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    yield "clearly helped", by_mark["gain"]
    yield "clearly hurt", by_mark["loss"]


def _effects(found: Mapping[str, Any]) -> Iterator[tuple[str, str, float, str]]:
    """Source, target, how much better the target got than without the source, and whether that is clear."""
    sign = {one["scenario"]: -1 if lower_is_better(one["metric"]) else 1 for one in found["matrix"]["columns"]}
    rows = {row["label"]: row for row in found["rows"]}
    for cell in found["matrix"]["cells"]:
        row, target = rows[cell["row"]], cell["scenario"]
        against = [sign[target] * one["mean"] for one in cell["against"].values()]
        if row["kind"] == "single" and target not in row["trained"] and against:
            yield row["trained"][0], target, min(against), cell["mark"]
        elif row["kind"] == "joint" and against:
            yield JOINTLY, target, against[0], cell["mark"]


def _shared(found: Mapping[str, Any], source: str, target: str) -> str:
    """What the two have to do with each other besides: ``+0.03, 45%``."""
    cosine = next((one["mean"] for one in found["cosines"] if {*one["scenarios"]} == {source, target}), None)
    words = next(
        (
            pair["words"]
            for pair in found.get("data", {}).get("shared", ())
            if (pair["of"], pair["known_from"]) == (target, source)
        ),
        None,
    )
    parts = [] if cosine is None else [f"{cosine:+.2f}"]
    parts += [] if words is None else [f"{words:.0%}"]
    return ", ".join(parts)
