"""Gives names where scenarios are expected."""

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> list:
    return ["news"]
