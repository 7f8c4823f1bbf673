"""Brings a component under the name of another plugin's."""

from polyscene import Component, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_components() -> list[Component]:
    return [Component("adapter", "bend", list)]
