"""Dataclasses become mappings of plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def to_mapping(value: Any) -> Any:
    """The inverse of :func:`from_mapping`: dataclasses become mappings of plain values, ready for YAML or JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        as_mapping = getattr(value, "as_mapping", None)
        if as_mapping is not None:
            return to_mapping(as_mapping())
        return {
            field.name: to_mapping(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init
        }
    if isinstance(value, Mapping):
        return {str(key): to_mapping(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_mapping(one) for one in value]
    return str(value) if isinstance(value, Path) else value
