"""Declared columns: what a scenario says about the columns of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Column:
    """One column of a table and the encoder that turns it into vectors.

    Args:
        name: the column's name in the table.
        encoder: the encoder's name; each kind of column has a default.
        options: options of that encoder, checked against its config class.
    """

    name: str
    encoder: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    default_encoder: ClassVar[str] = ""

    @property
    def encoder_name(self) -> str:
        return self.encoder or self.default_encoder


@dataclass(frozen=True)
class Text(Column):
    """Free text, encoded once by the shared backbone. Missing text is the empty string."""

    name: str = "text"
    default_encoder = "text"


@dataclass(frozen=True)
class Id(Column):
    """The entity's own id. Ids of one ``space`` share their vectors across scenarios and tables.

    With ``name`` left empty the id is the row's own; otherwise the named column holds an id.
    """

    name: str = ""
    space: str = ""
    default_encoder = "id"


@dataclass(frozen=True)
class Category(Column):
    """One label of a closed set (strings or integers); missing values and unseen labels are 'unknown'."""

    default_encoder = "category"


@dataclass(frozen=True)
class Tags(Column):
    """Several labels per row: a list of strings, or one string with ``separator`` between them."""

    separator: str = "|"
    default_encoder = "tags"


@dataclass(frozen=True)
class Number(Column):
    """A real number; standardised with statistics of train rows, missing values get their own vector."""

    default_encoder = "number"


@dataclass(frozen=True)
class Timestamp(Column):
    """Unix seconds, UTC."""

    name: str = "timestamp"
    default_encoder = "time"
