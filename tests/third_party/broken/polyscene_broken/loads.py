"""Brings scenarios whose data cannot be had."""

from typing import Any

from polyscene import Id, Scenario, hookimpl

POLYSCENE_API = "1.0"


def raises(config: Any, data: Any) -> Any:
    return {}["articles"]


def returns(config: Any, data: Any) -> Any:
    return [1, 2, 3]


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("load_raises", raises, item_columns=(Id(),)), Scenario("load_returns", returns)]
