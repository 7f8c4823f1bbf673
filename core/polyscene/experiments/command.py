"""What ``polyscene experiment`` does: reads the log, computes, prints."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polyscene.errors import ConfigError, did_you_mean
from polyscene.experiments.durations import seconds
from polyscene.experiments.offpolicy import estimate_policy, read_targets, read_trials
from polyscene.experiments.outcomes import Outcomes, read_outcomes
from polyscene.experiments.plan import ArmSpec, ExperimentSpec, read_plan
from polyscene.experiments.report import Guardrail
from polyscene.experiments.reporting import seen
from polyscene.experiments.tables import print_estimates, print_report
from polyscene.feedback import REACTIONS, open_log


def show_report(
    name: str,
    deployment: Path,
    *,
    url: str | None,
    arms: str | None,
    control: str | None,
    guardrails: Sequence[str],
    scenario: str | None,
    as_json: bool,
    page: Path | None,
    **given: Any,
) -> None:
    """Print the report of an experiment; arguments as the command has them, None where none was given.

    What is not given is as the deployment plans the experiment.
    """
    spec = read_plan(deployment).experiments.get(name, ExperimentSpec({}))
    spec = dataclasses.replace(spec, **{key: value for key, value in given.items() if value is not None})
    if guardrails:
        spec.guardrails = {kind: by for text in guardrails for kind, by in _pairs(text, "--guardrail").items()}
    log = open_log(url or str(deployment / "feedback.db"), create=False)
    try:
        outcomes = read_outcomes(log, name, seconds(spec.window, "--window"), scenario)
    finally:
        log.close()
    if arms:
        spec.arms = {arm: ArmSpec(weight) for arm, weight in _pairs(arms, "--arms").items()}
    elif not spec.arms:
        spec.arms = {arm: ArmSpec() for arm in _arms(outcomes, control)}
    found = seen(name, spec, outcomes)
    if page is not None:
        from polyscene.experiments.page import write_experiment_page

        path = write_experiment_page(page, name, spec, found)
        if not as_json:
            print(f"Report: {path}")
    if as_json:
        _print_json(dataclasses.asdict(found.report))
    else:
        limits = [Guardrail(kind, by) for kind, by in spec.guardrails.items()]
        print_report(name, found.report, limits)


def show_estimates(
    policy: Path, url: str, *, reward: str, places: int | None, clip: float | None, level: float, as_json: bool
) -> None:
    """Print off-policy estimates; arguments as the command has them."""
    if reward not in REACTIONS:
        raise ConfigError(f"there is no kind '{reward}'", where="--reward", fix=did_you_mean(reward, REACTIONS))
    targets = read_targets(policy)
    log = open_log(url, create=False)
    try:
        trials = read_trials(log, targets, reward, places)
    finally:
        log.close()
    found = estimate_policy(trials, clip, level)
    if as_json:
        _print_json([dataclasses.asdict(one) for one in found])
    else:
        print_estimates(policy.name, found, lists=int(trials.list_R.max()) + 1, targets=len(targets), level=level)


def _arms(outcomes: Outcomes, control: str | None) -> list[str]:
    """The arms of the log, the control first."""
    found = outcomes.arms()
    control = control or ("control" if "control" in found else found[0])
    if control not in found:
        raise ConfigError(f"there is no arm '{control}'", where="--control", fix=did_you_mean(control, found))
    return sorted(found, key=lambda arm: (arm != control, arm))


def _pairs(text: str, where: str) -> dict[str, float]:
    """``a=1,b=2`` as numbers by name."""
    pairs: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = part.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not key or not math.isfinite(number):
            raise ConfigError(
                f"'{part}' is not a name and a number", where=where, fix="write NAME=NUMBER, as click=0.01"
            )
        pairs[key.strip()] = number
    return pairs


def _print_json(value: Any) -> None:
    """Infinite and missing numbers become null, as JSON has none."""
    import click

    click.echo(json.dumps(_finite(value), indent=1, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
