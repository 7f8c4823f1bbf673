"""Brings a component of a kind that there is none of."""

from polyscene import Component, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_components() -> list[Component]:
    return [Component("adaptor", "bend", list)]
