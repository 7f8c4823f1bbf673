"""Raises whenever it is told something."""

from polyscene import hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_epoch_finished(step: int) -> None:
    raise OSError("the disk of the dashboard is full")
