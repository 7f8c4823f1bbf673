"""Has options that are no dataclass."""

from polyscene import Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("wrong_config", lambda config, data: None, config=dict)]
