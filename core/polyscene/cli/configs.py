"""What ``polyscene config`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import get_type_hints

from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.cli.search import SearchConfig
from polyscene.config.check import check_configs, count_choices
from polyscene.config.plain import to_mapping
from polyscene.config.recipes import recipes
from polyscene.config.schema import TrainConfig
from polyscene.config.search_path import COMPONENT_GROUPS
from polyscene.errors import ConfigError, Problems, did_you_mean
from polyscene.registry.host import Host
from polyscene.registry.options import options_of

_SEARCH = "hydra/sweeper=optuna"


def show_recipes(host: Host, group: str) -> None:
    """The files of a group as a table.

    Raises:
        ConfigError: the group has no files.
    """
    found = recipes(host, group)
    if not found:
        raise ConfigError(f"there is no config group '{group}'", fix="polyscene train --help lists them")
    table = Table(title=f"{group}=", title_justify="left")
    for column in ("name", "what it is", "command"):
        table.add_column(column, overflow="fold")
    for recipe in found:
        table.add_row(*map(Text, (recipe.name, recipe.purpose, recipe.command)))
    Console().print(table)


def check_all(host: Host, experiments: Sequence[str]) -> None:
    """Check configs and say how many are sound.

    Raises:
        ConfigError: all that is wrong, broken plugins included.
    """
    problems = Problems("config")
    for record in host.records:
        if record.status == "broken":
            problems.add(str(record.complaint()))
    console, sound = Console(), 0
    with console.status("") as status:
        total = len(experiments) or count_choices(host)
        for recipe, wrong in check_configs(host, experiments):
            status.update(f"{sound} of {total}: {recipe.group}={recipe.name}")
            sound += not wrong
            for line in wrong:
                problems.add(f"{recipe.group}={recipe.name}: {line}")
    console.print(f"{sound} of {total} configs are sound", highlight=False)
    problems.raise_if_any(ConfigError)


def describe_options(host: Host, part: str) -> None:
    """The options of a part of the config, as its dataclass documents them.

    Raises:
        PolysceneError: there is no such part, component or scenario.
    """
    config = _class_of(host, part)
    options = options_of(config)
    if not options:
        Console().print(f"{part} has no options", highlight=False)
        return
    table = Table(title=part, title_justify="left")
    for column in ("option", "type", "default", "what it means"):
        table.add_column(column, overflow="fold")
    for option in options:
        default = "needed" if option.required else str(to_mapping(option.default))
        table.add_row(*map(Text, (option.name, option.type, default, option.text)))
    Console().print(table)


def _class_of(host: Host, part: str) -> type | None:
    group, equals, name = part.partition("=")
    parts = {key: hint for key, hint in get_type_hints(TrainConfig).items() if is_dataclass(hint)}
    if part == _SEARCH:
        return SearchConfig
    if equals and group == "scenario":
        return host.scenario(name).config
    if equals and group in {component.kind for component in host.registry}:
        return host.component(group, name).config
    found = parts.get(group)
    if isinstance(found, type) and group not in COMPONENT_GROUPS:
        return found
    known = [
        *(key for key in parts if key not in COMPONENT_GROUPS),
        *(f"{kind}=NAME" for kind in COMPONENT_GROUPS),
    ]
    raise ConfigError(
        f"'{part}' is no part of the config", fix=did_you_mean(part, [*known, "scenario=NAME", _SEARCH])
    )
