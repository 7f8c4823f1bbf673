"""Gives its scenario a name that no config can hold."""

from polyscene import Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("My News!", lambda config, data: None)]
