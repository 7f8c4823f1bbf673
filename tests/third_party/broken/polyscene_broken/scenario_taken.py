"""Brings a scenario under the name of another plugin's."""

from polyscene import Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("news", lambda config, data: None)]
