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
from polyscene.experiments.report import Guardrail, make_report
from polyscene.experiments.tables import print_estimates, print_report
from polyscene.feedback import REACTIONS, open_log


def show_report(
    name: str,
    url: str,
    *,
    arms: str | None,
    control: str | None,
    reward: str,
    guardrails: Sequence[str],
    window: str,
    level: float,
    planned: float,
    scenario: str | None,
    as_json: bool,
) -> None:
    """Print the report of an experiment; arguments as the command has them."""
    limits = [Guardrail(kind, by) for text in guardrails for kind, by in _pairs(text, "--guardrail").items()]
    log = open_log(url, create=False)
    try:
        outcomes = read_outcomes(log, name, seconds(window, "--window"), scenario)
    finally:
        log.close()
    weights = _pairs(arms, "--arms") if arms else _even(outcomes, control)
    if min(weights.values()) <= 0:
        raise ConfigError(
            "a weight is not positive", where="--arms", fix="give each arm a share, as control=0.5,new=0.5"
        )
    shares = {arm: weight / sum(weights.values()) for arm, weight in weights.items()}
    found = make_report(outcomes, shares, reward=reward, guardrails=limits, level=level, planned=planned)
    if as_json:
        _print_json(dataclasses.asdict(found))
    else:
        print_report(name, found, limits)


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


def _even(outcomes: Outcomes, control: str | None) -> dict[str, float]:
    """Equal weights for the arms of the log, the control first."""
    found = outcomes.arms()
    control = control or ("control" if "control" in found else found[0])
    if control not in found:
        raise ConfigError(f"there is no arm '{control}'", where="--control", fix=did_you_mean(control, found))
    return dict.fromkeys(sorted(found, key=lambda arm: (arm != control, arm)), 1.0)


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
