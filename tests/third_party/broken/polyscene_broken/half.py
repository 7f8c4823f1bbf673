"""Gives its scenario, and raises when it is asked for its components."""

from polyscene import Component, Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("half", lambda config, data: None)]


@hookimpl
def polyscene_components() -> list[Component]:
    raise ImportError("a library is missing")
