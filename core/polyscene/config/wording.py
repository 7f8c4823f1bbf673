"""Types and values in words, for messages about configs."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}


def expected(hint: Any) -> str:
    """What a type asks for, as ``a whole number or null``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join("null" if kind is type(None) else expected(kind) for kind in arguments)
    if origin is list or (origin is tuple and Ellipsis in arguments):
        return f"a list (each {expected(arguments[0])})"
    if origin is tuple:
        return f"a list of {len(arguments)}"
    if origin in (dict, Mapping) or dataclasses.is_dataclass(hint):
        return "a group of keys"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def shown(value: Any) -> str:
    """A value that was found, with its type."""
    if value is None:
        return "null"
    kind = {dict: "a group of keys", list: "a list"}.get(type(value), type(value).__name__)
    return f"{value!r:.60} ({kind})"
