"""A plugin that brings no scenario: one adapter kind for everybody's."""

from __future__ import annotations

from polyscene import Component, components_of, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_components() -> list[Component]:
    """The bend adapter."""
    return components_of(__name__, "bend")


@hookimpl
def polyscene_config_paths() -> list[str]:
    """The config of the adapter."""
    return [f"pkg://{__name__}.conf"]
