"""``polyscene evaluate``: the models of a run, measured again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from polyscene.config.schema import EvaluateConfig
from polyscene.errors import ConfigError, did_you_mean
from polyscene.evaluation.models import evaluate_domains, evaluate_model, in_order, parts_of
from polyscene.evaluation.subject import Subject
from polyscene.registry.host import Host
from polyscene.report import read_metrics, render_terminal, write_metrics
from polyscene.routing import LABEL, NO_ROUTER, no_router_error
from polyscene.training.controls import changed_names, control_of
from polyscene.training.restore import RestoredRun, restore
from polyscene.training.strategy import JOINT

EVALUATION = "evaluation"


def evaluate(config: EvaluateConfig, host: Host) -> Path:
    """Evaluate every model of a run and write ``RUN/evaluation/metrics.json``.

    Args:
        config: which run, scenarios and population.
        host: the plugins.

    Raises:
        PolysceneError: for everything that a user can mend.
    """
    console = Console()
    started = time.monotonic()
    run = restore(config.run, host, root=config.root, data=config.data, device=config.device)
    if config.route in ("hard", "soft") and run.config.router.name == NO_ROUTER:
        raise no_router_error(where=f"{run.folder}, route={config.route}")
    wanted = _wanted(config, list(run.loaded.scenarios))
    rows = evaluate_models(run, wanted, config.protocol, config.route)
    folder = run.folder / EVALUATION
    folder.mkdir(exist_ok=True)
    trained = read_metrics(run.folder)
    seconds = {"evaluate": round(time.monotonic() - started, 3)}
    write_metrics(folder, {**trained, "results": rows, "seconds": seconds, "method_seconds": {}, "skipped": {}})
    render_terminal(folder, console)
    return folder


def evaluate_models(
    run: RestoredRun, wanted: list[str], population: str = "", route: str = ""
) -> list[dict[str, Any]]:
    """Result rows of all models of a run on the wanted scenarios."""
    rows, joint = [], JOINT in run.labels()
    for label, model in run.models():
        method = JOINT if label == JOINT else label.partition("-")[0]
        subjects: dict[str, Subject] = {}
        lengths: dict[str, int] = {}
        reported = set(wanted) & set(changed_names(control_of(label), run.loaded))
        for name in run.scenarios_of(label):
            if name not in reported:
                continue
            loaded = run.loaded.scenarios[name]
            subject = run.session.subject(name, loaded)
            length = loaded.config.max_history
            rows += evaluate_model(
                model, subject, length, method=method, seed=run.config.seed, population=population, route=route
            )
            # Beside a joint model, the others are controls themselves.
            own = (label == JOINT or not joint) and not control_of(label) and route in ("", LABEL)
            for part in parts_of(model, name, run.config.controls) if own else ():
                rows += evaluate_model(
                    model, subject, length, method=part, seed=run.config.seed, population=population, part=part
                )
            lengths[name], subjects[name] = length, subject
        if population in ("", "warm") and route in ("", LABEL):
            rows += evaluate_domains(model, subjects, lengths, method=method, seed=run.config.seed)
    return in_order(rows, list(run.loaded.scenarios))


def _wanted(config: EvaluateConfig, known: list[str]) -> list[str]:
    for name in config.scenario or ():
        if name not in known:
            raise ConfigError(f"the run has no scenario '{name}'", where="scenario", fix=did_you_mean(name, known))
    return config.scenario or known
