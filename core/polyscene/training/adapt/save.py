"""The run that adapting writes: what the trained one held, and the new scenario."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from polyscene.data.splits import save_split
from polyscene.model import PolysceneModel
from polyscene.report import read_metrics, render_terminal, write_html, write_metrics
from polyscene.training.adapt.start import Start
from polyscene.training.checkpoint import SERVED, SHARED, save_adapters, shared_facts, unique_state
from polyscene.training.files import write_json, write_tensors
from polyscene.training.folder import CHECKPOINTS, read_fingerprint, write_fingerprint
from polyscene.training.loading import LoadedScenario
from polyscene.training.provenance import source_of
from polyscene.training.remembered import save_remembered
from polyscene.training.reporter import Reporter, device_facts, peak_memory_mib
from polyscene.training.session import Session
from polyscene.training.strategy import JOINT

_FEW_SHOT = ("scenario", "view", "population", "method", "metric", "value", "shots")


@dataclass(frozen=True)
class Adapted:
    """A grown model with what was measured of it.

    Args:
        start: the trained model.
        session: the new run's config and places.
        one: the new scenario's data, as the model learned it.
        model: the grown model.
        learned: what the new scenario's encoders learned besides parameters.
        read: rows by which the router recognizes the scenario, None where it cannot.
        rows: result rows of all methods, with their number of ``shots``; ``seed`` is the draw.
        seconds: seconds to fit, by method.
        examples: what each method recommends to some users.
    """

    start: Start
    session: Session
    one: LoadedScenario
    model: PolysceneModel
    learned: Any
    read: Tensor | None
    rows: list[dict[str, Any]]
    seconds: dict[str, float]
    examples: list[dict[str, Any]]


def write_run(folder: Path, adapted: Adapted, reporter: Reporter) -> None:
    """Write everything but the config, which is there already, and show the results.

    Raises:
        CheckpointError: the trained run's results are missing, or a file cannot be written.
    """
    start, session, name = adapted.start, adapted.session, adapted.one.scenario.name
    splits = folder / "split"
    splits.mkdir(exist_ok=True)
    for path in (start.folder / "split").glob("*.safetensors"):
        shutil.copyfile(path, splits / path.name)
    save_split(splits / f"{name}.safetensors", adapted.one.split)
    data = read_fingerprint(start.folder)["data"]
    write_fingerprint(folder, session.config, {**data, name: adapted.one.tables.fingerprint()})
    model = folder / CHECKPOINTS / JOINT
    model.mkdir(parents=True, exist_ok=True)
    served = start.folder / CHECKPOINTS / start.label / SERVED
    if served.is_file():
        shutil.copyfile(served, model / SERVED)
    write_tensors(model / "model.safetensors", merged_state(start, adapted.model))
    write_json(model / SHARED, {**start.shared, **shared_facts(adapted.model)})
    write_json(model / "model.json", {**start.learned, name: adapted.learned})
    save_adapters(model, adapted.model)
    own = {} if adapted.read is None else {name: adapted.read}
    save_remembered(model, {**start.remembered, **own})
    reporter.notify("polyscene_evaluated", run=folder, results=_results(adapted.rows))
    write_metrics(folder, _metrics(adapted, reporter))
    page = write_html(folder)
    render_terminal(folder, reporter.console)
    reporter.console.print(f"Report: {page}", soft_wrap=True, highlight=False)


def merged_state(start: Start, model: PolysceneModel) -> dict[str, Tensor]:
    """The checkpoint of the trained model with what the grown one has instead or besides.

    Names of banks may differ, where one of one kind became one of several.
    """
    own = unique_state(model)
    banks = ("user_bank.", "item_bank.", "pair_bank.")
    return {key: tensor for key, tensor in start.state.items() if not key.startswith(banks)} | own


def _metrics(adapted: Adapted, reporter: Reporter) -> dict[str, Any]:
    before = read_metrics(adapted.start.folder)
    name, model = adapted.one.scenario.name, adapted.model
    index = model.index[name]
    counts = sum(bank.parameters_per_scenario(index) for bank in model.banks())
    return {
        "schema": 1,
        "results": _results(adapted.rows),
        "few_shot": [{**{key: row[key] for key in _FEW_SHOT}, "draw": row["seed"]} for row in adapted.rows],
        "seconds": {stage: round(spent, 3) for stage, spent in reporter.seconds.items()},
        "method_seconds": {name: adapted.seconds},
        "memory_mb": peak_memory_mib(),
        "device": device_facts(adapted.session.device),
        "parameters": {
            **before["parameters"],
            "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
            "adapters": {**before["parameters"]["adapters"], name: counts},
        },
        "backbone_texts": adapted.session.backbone.forwards,
        "sources": {**before["sources"], name: source_of(adapted.session, name, adapted.one)},
        "examples": adapted.examples,
        "skipped": {},
    }


def _results(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the largest number of shots, as those of a run with a seed for each draw."""
    most = max(row["shots"] for row in rows)
    last = [row for row in rows if row["shots"] == most]
    protocol = next(row["protocol"] for row in last if row["method"] == "adapted")
    return [{**{key: value for key, value in row.items() if key != "shots"}, "protocol": protocol} for row in last]
