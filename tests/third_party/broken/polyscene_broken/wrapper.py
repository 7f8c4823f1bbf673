"""Wraps the hooks of others."""

from collections.abc import Iterator

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl(wrapper=True)
def polyscene_scenarios() -> Iterator[None]:
    return (yield)
