"""The core's components, each with its default options, and the column that each encoder reads."""

from __future__ import annotations

from typing import Any

from polyscene.adapters import COMPONENTS as ADAPTERS
from polyscene.data.columns import Category, Column, Id, Number, Tags, Text, Timestamp
from polyscene.features import COMPONENTS as FEATURES
from polyscene.registry.components import Component, Registry
from polyscene.sequence import COMPONENTS as SEQUENCES


def registry() -> Registry:
    return Registry([*FEATURES, *SEQUENCES, *ADAPTERS])


def column_for(encoder: str) -> Column:
    """The column of the kit's small table that an encoder reads; a new encoder is added here to be tested."""
    return {
        "text": Text(),
        "tfidf": Text(encoder="tfidf"),
        "id": Id(),
        "category": Category("brand"),
        "tags": Tags("tags"),
        "number": Number("price"),
        "time": Timestamp(),
        "kgat": Column("entity", encoder="kgat"),
        "side_vectors": Column("entity", encoder="side_vectors"),
    }[encoder]


def default_build(component: Component, **context: Any) -> Any:
    """The component with its default options."""
    return component.build(component.config() if component.config else None, **context)
