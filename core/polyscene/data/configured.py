"""A scenario as its config wants it: other columns or tasks than the plugin declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from polyscene.data.columns import Category, Column, Id, Number, Tags, Text, Timestamp
from polyscene.data.scenario import PriorSpec, Scenario, ScenarioConfig
from polyscene.errors import ConfigError, Problems, did_you_mean

_OWN_ID = "id"
_KINDS: dict[str, type[Column]] = {
    kind.default_encoder: kind for kind in (Text, Category, Tags, Number, Timestamp) if kind.default_encoder
}
_TABLES = {"items": "item_columns", "users": "user_columns", "events": "event_columns"}


def configured(scenario: Scenario, config: ScenarioConfig) -> Scenario:
    """The scenario with the columns and tasks of its config.

    Raises:
        ConfigError: the config names a table that does not exist, or no task.

    Example:
        >>> from polyscene import Category, Id, Scenario, ScenarioConfig
        >>> film = Scenario("film", load=lambda config, data: None, user_columns=(Category("age"), Id()))
        >>> config = ScenarioConfig(columns={"users": {"id": "id", "zip_code": "category"}})
        >>> configured(film, config).user_columns == (Id(), Category("zip_code"))
        True
    """
    problems = Problems(f"scenario.{scenario.name}")
    for table in config.columns:
        if table not in _TABLES:
            problems.add(f"'columns' has no table '{table}'", fix=did_you_mean(table, _TABLES))
    if config.tasks is not None and not config.tasks:
        problems.add("'tasks' is empty", fix="name a task, or leave it out for those that the scenario declares")
    problems.raise_if_any(ConfigError)
    chosen: dict[str, Any] = {
        field: _columns(config.columns[table], getattr(scenario, field))
        for table, field in _TABLES.items()
        if table in config.columns
    }
    if config.tasks is not None:
        chosen["tasks"] = tuple(config.tasks)
    if config.priors is not None:
        chosen["priors"] = tuple(_prior(scenario.name, number, one) for number, one in enumerate(config.priors))
    return replace(scenario, **chosen)


def _prior(scenario: str, number: int, given: Any) -> PriorSpec:
    options = {"name": given} if isinstance(given, str) else given
    if not isinstance(options, Mapping) or not isinstance(options.get("name"), str):
        raise ConfigError(
            f"'priors[{number}]' names no prior",
            where=f"scenario.{scenario}",
            fix="write a list of names or of {name: NAME, option: value}",
        )
    return PriorSpec(options["name"], {key: value for key, value in options.items() if key != "name"})


def _columns(wanted: Mapping[str, Any], declared: tuple[Column, ...]) -> tuple[Column, ...]:
    """The wanted columns; those declared with the same encoder keep the options that are not given anew."""
    known = {(column.name or _OWN_ID, column.encoder_name): column for column in declared}
    found = []
    for name, value in wanted.items():
        given = {"name": value} if isinstance(value, str) else dict(value)
        encoder = given.pop("name", "")
        column = known.get((name, encoder)) or _column(name, encoder)
        found.append(replace(column, options={**column.options, **given}) if given else column)
    return tuple(found)


def _column(name: str, encoder: str) -> Column:
    if encoder == Id.default_encoder:
        return Id(name="" if name == _OWN_ID else name)
    kind = _KINDS.get(encoder)
    return kind(name) if kind else Column(name, encoder=encoder)
