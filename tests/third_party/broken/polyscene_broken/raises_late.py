"""Raises when what it gave is read."""

from collections.abc import Iterator

from polyscene import Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> Iterator[Scenario]:
    yield from ()
    raise KeyError("lost")
