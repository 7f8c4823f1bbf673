"""A plan from its file, checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from polyscene.config.validate import from_mapping, options_from
from polyscene.errors import ConfigError, PolysceneError, Problems, did_you_mean
from polyscene.experiments.durations import seconds
from polyscene.experiments.plan.plan import Plan
from polyscene.experiments.plan.specs import PolicySpec
from polyscene.experiments.split import Experiment
from polyscene.feedback import REACTIONS
from polyscene.feedback.events import LONGEST
from polyscene.registry.host import Host

FILE = "config.json"
"""Where a deployment keeps its plan."""
_FIX = 'write JSON, as {"policies": {"video": {"name": "epsilon", "options": {"epsilon": 0.1}}}}'


def read_plan(folder: Path, host: Host | None = None) -> Plan:
    """The plan of a deployment; an empty one where it has none.

    Args:
        folder: the deployment.
        host: knows the policies; they are not looked for without it.

    Raises:
        ConfigError: the file is not JSON, or no plan; all that is wrong at once.
    """
    path = folder / FILE
    if not path.exists():
        return Plan()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"it cannot be read: {error}", where=str(path), fix=_FIX) from None
    problems = Problems(str(path))
    plan = from_mapping(Plan, found, problems)
    if plan is not None:
        _check(plan, problems)
        if host is not None:
            _check_policies(plan, host, problems)
    problems.raise_if_any(ConfigError)
    assert plan is not None
    return plan


def check_scenarios(plan: Plan, served: Collection[str], where: str) -> None:
    """Whether the scenarios of a plan are served.

    Raises:
        ConfigError: with all that are not at once.
    """
    problems = Problems(where)
    named = [("policies", name) for name in plan.policies]
    named += [(f"experiments.{key}", name) for key, spec in plan.experiments.items() for name in spec.scenarios]
    for place, name in named:
        if name not in served:
            problems.add(f"{place}: there is no scenario '{name}'", fix=did_you_mean(name, served))
    problems.raise_if_any(ConfigError)


def _check_policies(plan: Plan, host: Host, problems: Problems) -> None:
    for place, spec in _policies(plan).items():
        try:
            component = host.component("policy", spec.name, where=place)
        except PolysceneError as error:
            problems.add_error(error)
        else:
            options_from(component.config, spec.options, problems, f"{place}.options")


def _check(plan: Plan, problems: Problems) -> None:
    """What can be said without knowing what is served."""
    for place, spec in _policies(plan).items():
        _check_kinds([spec.reward], place, problems)
        _check_call(lambda spec=spec, place=place: seconds(spec.within, f"{place}.within"), problems)
    for name, spec in plan.experiments.items():
        place, weights = f"experiments.{name}", {arm: one.weight for arm, one in spec.arms.items()}
        _check_call(
            lambda spec=spec, name=name, weights=weights: Experiment(name, weights, spec.share, spec.salt),
            problems,
        )
        _check_call(lambda spec=spec, place=place: seconds(spec.window, f"{place}.window"), problems)
        _check_kinds([spec.reward, *spec.guardrails], place, problems)
        for text in (name, *spec.arms):
            if not 0 < len(text) <= LONGEST:
                problems.add(f"{place}: a name has {len(text)} characters", fix=f"give 1 to {LONGEST}")
    for (one, first), (other, second) in combinations(plan.experiments.items(), 2):
        if not first.scenarios or not second.scenarios or set(first.scenarios) & set(second.scenarios):
            problems.add(
                f"the experiments '{one}' and '{other}' run in the same scenario",
                fix="run one after the other, or name other scenarios",
            )


def _policies(plan: Plan) -> Mapping[str, PolicySpec]:
    """Every policy of a plan, by its place in the file."""
    found = {f"policies.{name}": spec for name, spec in plan.policies.items()}
    for name, spec in plan.experiments.items():
        for arm, one in spec.arms.items():
            if one.policy is not None:
                found[f"experiments.{name}.arms.{arm}.policy"] = one.policy
    return found


def _check_kinds(kinds: Collection[str], place: str, problems: Problems) -> None:
    for kind in kinds:
        if kind not in REACTIONS:
            problems.add(f"{place}: there is no kind '{kind}'", fix=did_you_mean(kind, REACTIONS))


def _check_call(call: Callable[[], Any], problems: Problems) -> None:
    try:
        call()
    except PolysceneError as error:
        problems.add_error(error)
