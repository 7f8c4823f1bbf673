"""``key=value`` arguments of commands that need no composed files."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

from polyscene.config.validate import from_mapping
from polyscene.errors import ConfigError, Problems

T = TypeVar("T")


def from_arguments(cls: type[T], arguments: Iterable[str], *, where: str, example: str) -> T:
    """A dataclass from arguments such as ``run=latest k=5 data.offline=true``.

    Text stays as it was typed (``user=007``), other values are read as YAML, and one value stands for a list of
    one.

    Args:
        cls: the dataclass.
        arguments: what was typed.
        where: the command, for messages.
        example: a complete call, shown where something is missing or malformed.

    Raises:
        ConfigError: malformed arguments, unknown keys, wrong types, missing values; all at once.
    """
    problems = Problems(where)
    values: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not key:
            problems.add(f"'{argument}' is not of the form key=value", fix=f"for example {example}")
            continue
        _set(values, key.split("."), text, cls)
    config = from_mapping(cls, values, problems)
    if problems.found and any("is missing" in line for line in problems.found):
        problems.add(f"a complete call: {example}")
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


def _set(values: dict[str, Any], path: list[str], text: str, cls: Any) -> None:
    hint = get_type_hints(cls).get(path[0]) if dataclasses.is_dataclass(cls) else None
    if len(path) > 1:
        inner = values.setdefault(path[0], {})
        _set(inner if isinstance(inner, dict) else {}, path[1:], text, hint)
    else:
        values[path[0]] = _read(text, hint)


def _read(text: str, hint: Any) -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if str in kinds and text != "null":
        return text
    try:
        value = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        value = text
    wants_list = any(get_origin(kind) in (list, tuple) for kind in kinds)
    if wants_list and isinstance(value, (str, int, float)):
        return [part.strip() for part in text.split(",")]
    return cast(Any, value)
