"""The options of ``polyscene transfer``: those of training, seeds, and what else is tried in the joint model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from polyscene.config.choice import Choice, choose
from polyscene.config.compose import composed, composer, first_values
from polyscene.config.controls import MODELS, SINGLE
from polyscene.config.entries import group_options
from polyscene.config.overrides import check_overrides
from polyscene.config.resolve import check_train
from polyscene.config.schema import TrainConfig
from polyscene.config.validate import REPORTED
from polyscene.config.widths import check_adapters
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host

POPULARITY = "popularity"
"""The count that each model starts from; the matrix always shows it."""
REMEDIES = {"adapters": "adapter", "balancers": "balancer"}
"""Options that list what is tried in the joint model, and the part of the config that each entry replaces."""


@dataclass
class TransferConfig(TrainConfig):
    """One transfer matrix, fully checked; ``seed`` is that of the model at hand."""

    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    """Seeds of the models; each row of the matrix is trained with every one of them."""
    adapters: list[Choice] = field(default_factory=list)
    """Adapters that the joint model is trained with besides its own."""
    balancers: list[Choice] = field(default_factory=list)
    """Balancers that the joint model is trained with besides its own."""


def prepare_transfer(given: Iterable[str], host: Host) -> TransferConfig:
    """The checked config of a command line.

    Args:
        given: what was typed.
        host: the plugins.

    Raises:
        ConfigError: everything that is wrong, in one message.
    """
    problems = Problems("config")
    with composer(host):
        checked = check_overrides("transfer", given, host, problems)
        mapping = first_values("transfer", checked)
        for key, kind in REMEDIES.items():
            mapping[key] = _as_in_files(mapping.get(key), kind)
    config = check_transfer(mapping, host, problems)
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


def check_transfer(mapping: Mapping[str, Any], host: Host, problems: Problems) -> TransferConfig | None:
    """As :func:`prepare_transfer`, from composed values, adding what is wrong to ``problems``."""
    before = len(problems.found)
    values: dict[str, Any] = dict(mapping)
    seeds = values.get("seeds")
    if values.pop("seed", None) is not None:
        problems.add(
            "'seed' is given, but each model is trained with every one of 'seeds'", fix="give seeds=[0,1]"
        )
    if isinstance(seeds, list) and not seeds:
        problems.add("'seeds' is empty", fix="give at least one, as in seeds=[0,1,2]")
    if isinstance(seeds, list) and len(set(map(str, seeds))) < len(seeds):
        problems.add(f"'seeds' names a seed twice: {seeds}", fix="give different seeds: the spread is over them")
    if isinstance(seeds, list) and seeds and isinstance(seeds[0], int):
        values["seed"] = seeds[0]
    scenarios = values.get("scenario")
    if isinstance(scenarios, Mapping) and len(scenarios) == 1:
        [(name, options)] = scenarios.items()
        # A scenario that is divided into domains is several.
        if not (isinstance(options, Mapping) and options.get("domains")):
            problems.add(
                f"'{name}' is the only scenario, and transfer needs two",
                fix="add another one, as in scenario=[video,music]",
            )
    for key, kind in REMEDIES.items():
        values[key] = _remedies(key, kind, values.get(key), host, problems)
    controls = values.get("controls")
    if isinstance(controls, list):
        for control in dict.fromkeys(one for one in controls if one in MODELS):
            own = "the diagonal of the matrix is that control" if control == SINGLE else "train with it instead"
            problems.add(f"'controls' names '{control}'", fix=f"leave it out: {own}")
        values["controls"] = [
            POPULARITY,
            *(control for control in controls if control not in (POPULARITY, *MODELS)),
        ]
    strategy = values.get("strategy")
    if isinstance(strategy, Mapping) and strategy.get("name") != "multitask":
        problems.add(
            f"'strategy' is {strategy.get('name')}, but transfer decides what each model learns",
            fix="leave it out",
        )
    config = check_train(values, host, problems, TransferConfig)
    if config is not None and len(problems.found) == before:
        check_adapters(config, config.adapters, problems)
    return config if len(problems.found) == before else None


def _as_in_files(entries: Any, kind: str) -> Any:
    """Names become what their config files say; other entries stay, to be checked as they are."""
    known = group_options(kind)
    return [
        composed(f"{kind}/{entry}", [])[kind] if isinstance(entry, str) and entry in known else entry
        for entry in (entries if isinstance(entries, list) else [entries])
    ]


def _remedies(key: str, kind: str, entries: Any, host: Host, problems: Problems) -> Any:
    chosen: list[Choice] = []
    before = len(problems.found)
    for entry in entries if isinstance(entries, list) else [entries]:
        choice = choose(kind, entry, host, problems, key)
        if choice is not None and choice.as_mapping() in [other.as_mapping() for other in chosen]:
            problems.add(f"'{key}' names '{choice.name}' twice with the same options")
        elif choice is not None:
            chosen.append(choice)
    return chosen if len(problems.found) == before else REPORTED
