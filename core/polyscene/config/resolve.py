"""From composed mappings to checked dataclasses: everything that is wrong, in one message, before any work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

from polyscene.backbone.config import BackboneConfig
from polyscene.config.choice import choose
from polyscene.config.controls import MODELS
from polyscene.config.declared import check_declaration, check_options
from polyscene.config.schema import TrainConfig
from polyscene.config.search_path import COMPONENT_GROUPS
from polyscene.config.validate import REPORTED, from_mapping
from polyscene.config.widths import check_widths
from polyscene.config.wording import shown
from polyscene.data.configured import configured
from polyscene.data.datasets import DataSet
from polyscene.data.domains import domain_name
from polyscene.data.scenario import Scenario, ScenarioConfig
from polyscene.errors import ConfigError, PolysceneError, Problems, did_you_mean
from polyscene.registry.host import Host

Config = TypeVar("Config", bound=TrainConfig)
_EXAMPLES = {"auxiliary": "[{name: alignment}]", "metric": "[{name: ndcg, k: 5}]"}


def resolve_train(mapping: Mapping[str, Any], host: Host) -> TrainConfig:
    """A checked training config.

    Args:
        mapping: the composed config, see :func:`polyscene.config.compose.compose`.
        host: knows scenarios and components.

    Raises:
        ConfigError: everything that is wrong: unknown keys, wrong types, values out of bounds, unknown scenarios
            and components, options that a component does not have.
    """
    problems = Problems("config")
    config = check_train(mapping, host, problems, TrainConfig)
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


def check_train(mapping: Mapping[str, Any], host: Host, problems: Problems, cls: type[Config]) -> Config | None:
    """As :func:`resolve_train`, adding what is wrong to ``problems`` and returning ``None`` then.

    Args:
        mapping: the composed config.
        host: knows scenarios and components.
        problems: receives what is wrong.
        cls: the config to make: of training, or of a command that trains and has options of its own.
    """
    before = len(problems.found)
    values: dict[str, Any] = dict(mapping)
    for kind in COMPONENT_GROUPS:
        values[kind] = choose(kind, mapping.get(kind), host, problems) or REPORTED
    values["auxiliary"] = _auxiliary(mapping.get("auxiliary") or [], mapping.get("scenario"), host, problems)
    values["metrics"] = _several("metrics", "metric", mapping.get("metrics") or [], host, problems)
    values["dataset"] = _datasets(mapping.get("dataset") or {}, problems)
    values["scenario"] = _scenarios(mapping.get("scenario"), set(values["dataset"]), host, problems)
    values["backbone"] = _backbone(mapping.get("backbone"), problems)
    _check_controls(mapping.get("controls"), host, problems)
    config = from_mapping(cls, values, problems)
    if config is None or len(problems.found) > before or config.scenario is REPORTED:
        return None
    _check_router(config, problems)
    config.strategy.build().check(config, problems)
    _check_saved_adapters(config, problems)
    if config.trainer.pretrain_steps and "history_contrast" not in [term.name for term in config.auxiliary]:
        problems.add(
            f"'trainer.pretrain_steps' is {config.trainer.pretrain_steps}, and nothing is learned without labels",
            fix="add auxiliary=[{name: history_contrast}]",
        )
    check_widths(config, host, problems)
    return config if len(problems.found) == before else None


def _auxiliary(terms: Any, scenarios: Any, host: Host, problems: Problems) -> Any:
    found = _several("auxiliary", "auxiliary", terms, host, problems)
    if found is REPORTED:
        return REPORTED
    for name, count in Counter(choice.name for choice in found).items():
        if count > 1:
            problems.add(f"'auxiliary' has '{name}' {count} times", fix="give each once, with one weight")
    for choice in found:
        for name in choice.options.scenarios or ():
            if isinstance(scenarios, Mapping) and name not in scenarios:
                problems.add(
                    f"auxiliary '{choice.name}' names the scenario '{name}', which is not chosen",
                    fix=did_you_mean(name, scenarios),
                )
    return found


def _several(key: str, kind: str, given: Any, host: Host, problems: Problems) -> Any:
    """The components that a key of the config lists."""
    if not isinstance(given, list):
        problems.add(f"'{key}' is {shown(given)}", fix=f"write a list, as in {key}={_EXAMPLES[kind]}")
        return REPORTED
    choices = [choose(kind, one, host, problems, f"{key}[{n}]") for n, one in enumerate(given)]
    return choices if None not in choices else REPORTED


def _check_router(config: TrainConfig, problems: Problems) -> None:
    from polyscene.routing import check_worth_routing  # brings torch, which a config alone does not need

    try:
        names = []
        for name, options in config.scenario.items():
            # How many domains there are is known when the data is; two at least, or there would be none.
            names += [name] if options.domains is None else [domain_name(name, "a"), domain_name(name, "b")]
        plans = config.strategy.build().plans(names)
        check_worth_routing(config.router.name, (plan.scenarios for plan in plans))
    except ConfigError as error:
        problems.add_error(error)


def _check_saved_adapters(config: TrainConfig, problems: Problems) -> None:
    init = config.backbone.peft.init if config.backbone.peft is not None else {}
    for name in init:
        if name not in config.scenario:
            fix = did_you_mean(name, config.scenario)
            problems.add(f"'backbone.peft.init' has an adapter for '{name}', which is not a scenario", fix=fix)


def _check_controls(controls: Any, host: Host, problems: Problems) -> None:
    known = [*MODELS, *host.registry.names("baseline")]
    for control in controls if isinstance(controls, list) else ():
        if control not in known:
            problems.add(f"'controls' names '{control}'", fix=did_you_mean(str(control), known))


def _backbone(mapping: Any, problems: Problems) -> Any:
    backbone = from_mapping(BackboneConfig, mapping or {}, problems, "backbone")
    if backbone is None:
        return REPORTED
    try:
        backbone.validate()
    except ConfigError as error:
        problems.add_error(error)
    return backbone


def _datasets(mapping: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, options in mapping.items():
        where = f"dataset.{name}"
        given = {"name": name, **options} if isinstance(options, Mapping) else options
        dataset = from_mapping(DataSet, given, problems, where)
        for line in dataset.problems() if dataset else ():
            problems.add(f"{where}: {line}")
        found[name] = dataset or REPORTED
    return found


def _scenarios(mapping: Any, datasets: set[str], host: Host, problems: Problems) -> Any:
    if mapping is REPORTED:
        return REPORTED
    if not isinstance(mapping, Mapping) or not mapping:
        known = ", ".join(sorted(host.scenarios)) or "none: no plugin is active"
        problems.add("no scenario is chosen", fix=f"give scenario=NAME or scenario=[NAME,NAME]. Known: {known}")
        return REPORTED
    found: dict[str, Any] = {}
    for name, options in mapping.items():
        try:
            scenario = host.scenario(name)
        except PolysceneError as error:
            problems.add_error(error)
            continue
        config = from_mapping(scenario.config, options or {}, problems, f"scenario.{name}")
        if config is not None:
            check_options(name, config, datasets, host, problems)
            scenario = _configured(scenario, config, problems)
        check_declaration(scenario, host, problems, asked=bool(config and config.priors))
        found[name] = config or REPORTED
    return found


def _configured(scenario: Scenario, config: ScenarioConfig, problems: Problems) -> Scenario:
    try:
        return configured(scenario, config)
    except ConfigError as error:
        problems.add_error(error)
        return scenario
