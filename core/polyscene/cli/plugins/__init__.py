"""``polyscene plugins``."""

from __future__ import annotations

from pathlib import Path

import click

from polyscene.cli.completion import complete_plugins


@click.group()
def plugins() -> None:
    """Installed plugins, and new ones."""


@plugins.command(
    "list",
    epilog="""\b
Examples:
  polyscene plugins list
  polyscene plugins list --json
  polyscene --plugins video,kg plugins list""",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_plugins(as_json: bool) -> None:
    """List plugins with their status, what they bring, and why a broken one does not work."""
    from polyscene.cli.plugins.shown import show_list

    show_list(as_json=as_json)


@plugins.command(
    epilog="""\b
Examples:
  polyscene plugins describe video
  polyscene plugins describe ecommerce --json"""
)
@click.argument("name", shell_complete=complete_plugins)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def describe(name: str, as_json: bool) -> None:
    """Describe the plugin NAME: its origin and status, its hooks, and what it brings with all options."""
    from polyscene.cli.plugins.shown import show_description

    show_description(name, as_json=as_json)


@plugins.command(
    epilog="""\b
Examples:
  polyscene plugins new podcast
  polyscene plugins new squeeze --kind adapter
  polyscene plugins new focal --kind loss --into FOLDER
  polyscene plugins new common --kind prior
  polyscene plugins new curious --kind policy"""
)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["scenario", "adapter", "loss", "prior", "policy"]),
    default="scenario",
    show_default=True,
    help="What the plugin brings to begin with.",
)
@click.option(
    "--into",
    "parent",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="The folder that gets the new one; the current one by default.",
)
def new(name: str, kind: str, parent: Path) -> None:
    """Write the package of a new plugin into the folder NAME: code, config, tests and README.

    A new scenario reads a generated sample until it is pointed to data of its own, so its tests pass and it trains
    as it stands.
    """
    from polyscene.cli.plugins.new import write_plugin

    write_plugin(name, kind, parent)


@plugins.command(
    epilog="""\b
Examples:
  polyscene plugins check podcast
  polyscene plugins check PATH PATH
  polyscene plugins check video"""
)
@click.argument("given", nargs=-1, required=True, metavar="PATH...", shell_complete=complete_plugins)
def check(given: tuple[str, ...]) -> int:
    """Check plugins: what they say about themselves, their configs, and tests that all of their kind must pass.

    PATH is the folder of a pyproject.toml, installed or not, or the name of an installed plugin. Each failure says
    how to mend it; the exit code is 1 if there is any.
    """
    from polyscene.cli.plugins.check import check_plugins

    return check_plugins(given)
