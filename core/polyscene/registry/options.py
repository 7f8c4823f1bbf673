"""The options of a component or scenario as its config class documents them."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import Any

import docstring_parser


@dataclass(frozen=True)
class Option:
    """One field of a config class.

    Args:
        name: the field.
        type: its type as written.
        default: its default, ``None`` if it has none (then it is ``required``).
        text: what its documentation says, in one line; empty if nothing does.
        inherited: whether a base class brings it.
        required: whether it must be given.
    """

    name: str
    type: str
    default: Any
    text: str
    inherited: bool = False
    required: bool = False


def options_of(config: type | None) -> list[Option]:
    """The options of a config dataclass, its own first.

    Documentation is read from ``Args:`` of the class's docstring, or from a string below the field.

    Args:
        config: the dataclass; ``None`` has no options.

    Example:
        >>> @dataclasses.dataclass
        ... class Config:
        ...     '''Options.
        ...
        ...     Args:
        ...         rank: width of the squeeze.
        ...     '''
        ...     rank: int = 8
        >>> options_of(Config)
        [Option(name='rank', type='int', default=8, text='width of the squeeze', inherited=False, required=False)]
    """
    if config is None:
        return []
    texts: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if dataclasses.is_dataclass(base):
            for parameter in docstring_parser.parse_from_object(base).params:
                texts[parameter.arg_name] = _one_line(parameter.description or "")
    own = inspect.get_annotations(config)
    options = [
        Option(
            field.name,
            field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type)),
            _default(field),
            texts.get(field.name, ""),
            inherited=field.name not in own,
            required=field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(config)
        if field.init
    ]
    return sorted(options, key=lambda option: option.inherited)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "").removesuffix(".")


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()
