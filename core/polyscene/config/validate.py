"""Nested mappings become dataclasses; every wrong value, unknown key and missing key is gathered."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from polyscene.config.wording import expected, shown
from polyscene.errors import ConfigError, PolysceneError, Problems, did_you_mean

T = TypeVar("T")

_FAULTY = object()
REPORTED = object()
"""Stands for a value whose problems were already reported."""


def from_mapping(cls: type[T], mapping: Any, problems: Problems, where: str = "") -> T | None:
    """An instance of a dataclass from a (nested) mapping.

    Whole numbers are accepted where a number is expected, and ``None`` only where the type allows it. Bounds
    are declared with :func:`bounded`; a dataclass may check what they cannot say in ``__post_init__`` and raise
    :class:`PolysceneError` or ``ValueError``.

    Args:
        cls: the dataclass.
        mapping: its values by field name.
        problems: receives one line for each mistake.
        where: path of the mapping in the whole config, for example ``trainer``.

    Returns:
        The instance, or ``None`` if there were problems.
    """
    before = len(problems.found)
    if not isinstance(mapping, Mapping):
        problems.add(f"{where or cls.__name__} is {shown(mapping)}; a group of keys is expected")
        return None
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls)) if field.init}
    for key in mapping:
        if key not in fields:
            problems.add(f"there is no option '{_join(where, key)}'", fix=did_you_mean(str(key), fields))
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        path = _join(where, name)
        if name in mapping:
            values[name] = _converted(hints[name], mapping[name], problems, path)
            _check_bounds(field.metadata, values[name], problems, path)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.add(f"'{path}' is missing", fix=f"give {expected(hints[name])}, as in {path}=VALUE")
    if len(problems.found) > before:
        return None
    try:
        return cls(**values)
    except (PolysceneError, ValueError, TypeError) as error:
        text = "; ".join(line.strip(" -") for line in str(error).splitlines())
        problems.add(f"{where}: {text}" if where else text)
        return None


def from_mapping_or_raise(cls: type[T] | None, mapping: Mapping[str, Any], *, where: str) -> T | None:
    """As :func:`from_mapping`, raising all problems at once. Without a class the mapping must be empty.

    Raises:
        ConfigError: the mapping does not fit the class.
    """
    problems = Problems(where)
    value = options_from(cls, mapping, problems)
    problems.raise_if_any(ConfigError)
    return value


def options_from(cls: type[T] | None, mapping: Mapping[str, Any], problems: Problems, where: str = "") -> T | None:
    """As :func:`from_mapping`; where there is no class, each key is a problem and the result is ``None``."""
    if cls is not None:
        return from_mapping(cls, mapping, problems, where)
    for key in mapping:
        problems.add(f"there is no option '{_join(where, key)}'", fix="this component has no options")
    return None


def bounded(default: Any, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    """A dataclass field with a default and bounds (inclusive) that :func:`from_mapping` checks.

    Example:
        >>> @dataclasses.dataclass
        ... class Options:
        ...     rate: float = bounded(0.1, at_least=0, at_most=1)
    """
    return dataclasses.field(default=default, metadata={"at_least": at_least, "at_most": at_most})


def _check_bounds(bounds: Mapping[str, Any], value: Any, problems: Problems, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    least, most = bounds.get("at_least"), bounds.get("at_most")
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        wanted = f"from {least} to {most}" if None not in (least, most) else f"at least {least}"
        problems.add(f"'{path}' is {value}; {wanted if least is not None else f'at most {most}'} is expected")


def _converted(hint: Any, value: Any, problems: Problems, path: str) -> Any:
    """``value`` as the type ``hint``; a problem is added where that cannot be."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or value is REPORTED:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_mapping(hint, value, problems, path)
    if origin in (list, tuple, Mapping, dict) and value is not None:
        result = _converted_container(origin, arguments, value, problems, path)
    elif origin in (Union, types.UnionType):
        result = _converted_union(arguments, value, problems, path)
    else:
        result = _plain(hint, value)
    if result is _FAULTY:
        problems.add(f"'{path}' is {shown(value)}; {expected(hint)} is expected")
        return None
    return result


def _converted_container(
    origin: Any, arguments: tuple[Any, ...], value: Any, problems: Problems, path: str
) -> Any:
    if origin in (list, tuple):
        if not isinstance(value, (list, tuple)):
            return _FAULTY
        inner = arguments[0] if arguments else Any
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            if len(value) != len(arguments):
                return _FAULTY
            inners = arguments
        else:
            inners = (inner,) * len(value)
        return origin(
            _converted(kind, one, problems, f"{path}[{number}]")
            for number, (kind, one) in enumerate(zip(inners, value, strict=True))
        )
    if not isinstance(value, Mapping):
        return _FAULTY
    inner = arguments[1] if arguments else Any
    return {str(key): _converted(inner, one, problems, _join(path, key)) for key, one in value.items()}


def _converted_union(arguments: tuple[Any, ...], value: Any, problems: Problems, path: str) -> Any:
    if value is None:
        return None if type(None) in arguments else _FAULTY
    kinds = [kind for kind in arguments if kind is not type(None)]
    if len(kinds) == 1:
        nested = get_origin(kinds[0]) in (list, tuple, Mapping, dict) or dataclasses.is_dataclass(kinds[0])
        return _converted(kinds[0], value, problems, path) if nested else _plain(kinds[0], value)
    for kind in kinds:
        trial = Problems(path)
        result = _converted(kind, value, trial, path)
        if not trial.found:
            return result
    return _FAULTY


def _plain(hint: Any, value: Any) -> Any:
    if get_origin(hint) is Literal:
        return value if value in get_args(hint) else _FAULTY
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if isinstance(value, bool) and hint is not bool:
        return _FAULTY
    kind = get_origin(hint) or hint
    return value if isinstance(kind, type) and isinstance(value, kind) else _FAULTY


def _join(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)
