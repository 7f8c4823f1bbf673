"""Options of a component, from a plain mapping to its checked config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from polyscene.errors import ConfigError, Problems, did_you_mean
from polyscene.registry.components import Component


def component_config(component: Component, options: Mapping[str, Any], problems: Problems) -> Any:
    """The component's config with ``options`` set; what is wrong with them is added to ``problems``.

    Returns ``None`` where the component has no config, or where a problem was found.
    """
    where = f"{component.kind} '{component.name}'"
    if component.config is None:
        for name in options:
            problems.add(f"{where} has no option '{name}'", fix="leave it out")
        return None
    assert is_dataclass(component.config)
    known = {field.name for field in fields(component.config)}
    hints = get_type_hints(component.config)
    before = len(problems.found)
    for name, value in options.items():
        if name not in known:
            problems.add(f"{where} has no option '{name}'", fix=did_you_mean(name, known))
        elif not _fits(value, hints[name]):
            problems.add(
                f"{where}: option '{name}' is {value!r}", fix=f"give it a value of type {_name(hints[name])}"
            )
    if len(problems.found) > before:
        return None
    try:
        return component.config(**options)
    except ConfigError as error:
        problems.add(str(error).replace("\n", " "))
        return None


def _fits(value: Any, hint: Any) -> bool:
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))
