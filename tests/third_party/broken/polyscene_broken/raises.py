"""Raises when it is asked for its scenarios."""

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> list:
    raise KeyError("lost")
