"""A component chosen by name in a config, with its options checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyscene.config.plain import to_mapping
from polyscene.config.validate import REPORTED, options_from
from polyscene.errors import ConfigError, PolysceneError, Problems
from polyscene.registry.components import Component
from polyscene.registry.host import Host


@dataclass(frozen=True)
class Choice:
    """A chosen component, ready to be built.

    Args:
        name: the component's name.
        options: an instance of the component's config class, ``None`` if it has none.
        component: the component itself.
    """

    name: str
    options: Any
    component: Component

    def build(self, **context: Any) -> Any:
        """Build the component; the context is what the contract of its kind says."""
        return self.component.build(self.options, **context)

    def as_mapping(self) -> dict[str, Any]:
        """What a config file says: ``{name: ..., option: ...}``."""
        return {"name": self.name, **(to_mapping(self.options) if self.options is not None else {})}


def parts_of(kind: str) -> dict[str, str]:
    """Metadata of a field ``dict[str, Choice]``, for the options of a component that is made of others.

    A config gives such a field as ``{LABEL: NAME or {name: NAME, option: value, ...}, ...}``, and :func:`choose`
    resolves it together with the component.

    Args:
        kind: the kind of the parts.
    """
    return {"parts": kind}


def choose(kind: str, value: Any, host: Host, problems: Problems, where: str = "") -> Choice | None:
    """A component from ``NAME`` or ``{name: NAME, option: value, ...}``.

    Args:
        kind: the component's kind.
        value: what the config says.
        host: knows the components.
        problems: receives what is wrong with the name or the options.
        where: the place in the config.

    Returns:
        The choice, or ``None`` if there were problems.
    """
    where = where or kind
    mapping: Any = {"name": value} if isinstance(value, str) else value
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("name"), str):
        problems.add(
            f"'{where}' names no {kind}", fix=f"write {where}={{name: NAME}}. Known: {_known(host, kind)}"
        )
        return None
    try:
        component = host.component(kind, mapping["name"], where=where)
    except PolysceneError as error:
        problems.add_error(error)
        return None
    before = len(problems.found)
    given = {key: option for key, option in mapping.items() if key != "name"}
    _choose_parts(component.config, given, host, problems, where)
    options = options_from(component.config, given, problems, where)
    return Choice(component.name, options, component) if len(problems.found) == before else None


def chosen(kind: str, value: Any, host: Host, *, where: str = "") -> Choice:
    """As :func:`choose`, raising all problems at once.

    Raises:
        ConfigError: the name is unknown or an option is wrong.
    """
    problems = Problems(where or kind)
    choice = choose(kind, value, host, problems, where)
    problems.raise_if_any(ConfigError)
    assert choice is not None
    return choice


def _choose_parts(config: Any, given: dict[str, Any], host: Host, problems: Problems, where: str) -> None:
    """Replace what is said about parts by the chosen components."""
    for field in dataclasses.fields(config) if config is not None else ():
        kind, parts = field.metadata.get("parts"), given.get(field.name)
        if kind and isinstance(parts, Mapping):
            given[field.name] = {
                str(label): choose(kind, part, host, problems, f"{where}.{field.name}.{label}") or REPORTED
                for label, part in parts.items()
            }


def _known(host: Host, kind: str) -> str:
    return ", ".join(host.registry.names(kind))
