"""Implements a hook that there is none of."""

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarioz() -> list:
    return []
