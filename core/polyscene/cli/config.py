"""``polyscene config``: what configs offer, and whether they are sound."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_groups, complete_names, complete_parts


@click.group()
def config() -> None:
    """List experiments, check configs, and describe options."""


@config.command(
    "list",
    epilog="""\b
Examples:
  polyscene config list
  polyscene config list adapter
  polyscene config list hydra/launcher""",
)
@click.argument("group", default="experiment", shell_complete=complete_groups)
def list_(group: str) -> None:
    """Show the choices of a config GROUP (experiments, if none is named): what each is and how to run it."""
    from polyscene.cli.configs import show_recipes
    from polyscene.registry.host import load_host

    show_recipes(load_host(), group)


@config.command(
    epilog="""\b
Examples:
  polyscene config check
  polyscene config check likes ml1m_domains"""
)
@click.argument("experiments", nargs=-1, shell_complete=complete_names("experiment"))
def check(experiments: tuple[str, ...]) -> None:
    """Compose and validate all EXPERIMENTS and choices of groups, with all plugins, and report all that is wrong.

    Nothing is trained, fetched or written. The exit code is 2 if anything is wrong.
    """
    from polyscene.cli.configs import check_all
    from polyscene.registry.host import load_host

    check_all(load_host(), experiments)


@config.command(
    epilog="""\b
Examples:
  polyscene config describe trainer
  polyscene config describe adapter=star
  polyscene config describe scenario=video"""
)
@click.argument("part", metavar="PART|GROUP=NAME", shell_complete=complete_parts)
def describe(part: str) -> None:
    """Show the options of a PART of the config, or of one choice of a group: types, defaults, meanings."""
    from polyscene.cli.configs import describe_options
    from polyscene.registry.host import load_host

    describe_options(load_host(), part)
