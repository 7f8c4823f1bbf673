"""Asks a hook for an argument that it does not have."""

from typing import Any

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios(backbone: Any) -> list:
    return []
