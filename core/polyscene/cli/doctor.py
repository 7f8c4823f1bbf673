"""``polyscene doctor``."""

from __future__ import annotations

import click


@click.command(
    epilog="""\b
Examples:
  polyscene doctor
  polyscene --no-plugins doctor"""
)
def doctor() -> int:
    """Show versions, devices, folders, data sets and plugins. Uses no network.

    The exit code is 1 where something needs to be mended.
    """
    from polyscene.cli.examination import examine

    return examine()
