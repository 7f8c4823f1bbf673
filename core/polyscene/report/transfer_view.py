"""transfer.json arranged for reading: titles, cells, shades and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from polyscene.report.summary import POPULATION_TITLES, lower_is_better, method_title
from polyscene.report.units import figure

MARKS = {"gain": "+", "loss": "\N{MINUS SIGN}", "": ""}
LONGEST_OPTIONS = 30
REFERENCES = ("untrained", "popularity")
LEGEND = (
    "A scenario that a model did not learn: + clearly better, \N{MINUS SIGN} clearly worse than both the "
    "untrained model and popularity. Joint model: against the model trained on that scenario alone. Clear is a "
    "difference of more than two spreads."
)
ZERO_SHOT = (
    "Every model holds all scenarios, and those of a seed begin with the same weights. What belongs to a "
    "scenario that a model did not learn (id vectors, adapter, head) stays as it began; it is reached by "
    "what is shared: the projection of texts, ids of a common space, and the sequence model. How popular "
    "its items are is counted for every model, trained or not. That is why the untrained model and the "
    "count stand beside the others: only what a model adds to both of them is transfer."
)
SINGLE_NOTE = (
    "The diagonal is not the single model of polyscene train bit for bit: that one holds no other "
    "scenario, so its weights are drawn in another order. The last row is the joint model of polyscene "
    "train, to the last bit."
)


class MatrixView:
    """One matrix.

    Args:
        matrix: as transfer.json holds it.
    """

    def __init__(self, matrix: Mapping[str, Any]) -> None:
        self.columns: list[dict[str, Any]] = matrix["columns"]
        self.cells = {(cell["row"], cell["scenario"]): cell for cell in matrix["cells"]}

    def shade(self, label: str, scenario: str) -> float:
        """From -1 to 1: a cell against the better reference, as a part of the column's largest difference."""
        metric = next(one["metric"] for one in self.columns if one["scenario"] == scenario)
        sign = -1 if lower_is_better(metric) else 1
        column = {row: sign * cell["mean"] for (row, name), cell in self.cells.items() if name == scenario}
        references = [column[row] for row in REFERENCES if row in column]
        reference = max(references, default=max(column.values()))
        widest = max(abs(value - reference) for value in column.values()) or 1.0
        return (column[label] - reference) / widest


class TransferView:
    """What a page or a terminal shows of a transfer run.

    Args:
        found: the contents of transfer.json.
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found = found
        self.matrix = MatrixView(found["matrix"])
        shown = {column["population"] for column in self.matrix.columns}
        self.others = {
            POPULATION_TITLES.get(name, name): MatrixView(matrix)
            for name, matrix in found["matrices"].items()
            if name not in shown
        }
        self.rows = [row for row in found["rows"] if row["kind"] != "remedy"]

    def title(self, label: str) -> str:
        """A row's name for people: the scenario that a single model learned, what a remedy replaces by what."""
        row = next((row for row in self.found["rows"] if row["label"] == label), None)
        if row is None or row["kind"] == "control":
            return method_title(label)
        if row["kind"] == "single":
            return row["trained"][0]
        if row["kind"] == "remedy":
            named = {**row[row["changed"]], "name": label.removeprefix(f"joint-{row['changed']}-")}
            return f"{row['changed']} {described(named)}"
        return {"untrained": "untrained model", "joint": "all"}[row["kind"]]

    def own_title(self) -> str:
        """The joint model's own adapter and balancer."""
        row = next(row for row in self.found["rows"] if row["kind"] == "joint")
        return f"as configured: {described(row['adapter'])}, {described(row['balancer'])}"

    def sentences(self) -> Iterator[str]:
        """Negative transfer in words, a sentence for each scenario."""
        metrics = {one["scenario"]: one["metric"] for one in self.matrix.columns}
        for entry in self.found["negative_transfer"]:
            own = entry["difference"]
            chosen = next(one["difference"] for one in entry["tried"] if one["row"] == entry["chosen"])
            best = f"{self.title(entry['chosen'])} ({signed(chosen)}, {chosen['verdict']})"
            rest = {
                "no harm": "",
                "mended": f" Mended by the {best}.",
                "not mended": f" Not mended; best on validation is the {best}.",
                "nothing better": " Nothing that was tried is better on validation.",
            }[entry["outcome"]]
            scenario = entry["scenario"]
            yield f"{scenario}: joint minus single is {signed(own)} {metrics[scenario]}, {own['verdict']}.{rest}"

    def progress(self) -> str:
        """How much of the run is finished, in words."""
        models = [row for row in self.found["rows"] if row["kind"] != "control"]
        wanted = len(models) * len(self.found["seeds"])
        done = len(self.found["model_seconds"])
        seeds = ", ".join(map(str, self.found["seeds"]))
        several = "seeds" if len(self.found["seeds"]) > 1 else "seed"
        finished = max((cell["seeds"] for cell in self.matrix.cells.values()), default=0)
        spread = (
            "\N{PLUS-MINUS SIGN} is the standard deviation over seeds, of a count the standard error over users."
            if finished > 1
            else "\N{PLUS-MINUS SIGN} is the standard error over users; it does not cover the choice of the seed."
        )
        return f"{done} of {wanted} models are finished; {several} {seeds}. {spread}"


def described(choice: Mapping[str, Any]) -> str:
    """A component and its options, where they are short: ``bottleneck (rank 16)``; transfer.json has all."""
    options = ", ".join(f"{key} {value}" for key, value in choice.items() if key != "name")
    return f"{choice['name']} ({options})" if 0 < len(options) <= LONGEST_OPTIONS else str(choice["name"])


def signed(difference: Mapping[str, Any]) -> str:
    """A difference with its sign and spread: ``+0.0123 ± 0.0010``."""
    return f"{'+' if difference['mean'] >= 0 else MARKS['loss']}{figure(abs(difference['mean']))}" + spread(
        difference
    )


def spread(figures: Mapping[str, Any]) -> str:
    """`` ± 0.0010``, nothing where it is not known."""
    return "" if figures["spread"] is None else f" \N{PLUS-MINUS SIGN} {figure(figures['spread'])}"
