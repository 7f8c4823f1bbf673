"""``polyscene keys``."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default="keys.json",
    show_default=True,
    help="The file of keys, in the folder of a deployment.",
)


@click.group()
def keys() -> None:
    """API keys of a service."""


@keys.command(
    epilog="""\b
Examples:
  polyscene keys new --scope recommend --scope feedback --name web
  polyscene keys new --scope admin --days 7
  KEY=$(polyscene keys new --scope recommend --name shop --file keys.json)"""
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["recommend", "feedback", "admin"]),
    help="What the key may be used for; give it again for each. None implies another.",
)
@click.option("--name", default="", help="Names the key in lists and logs; chosen at random if not given.")
@click.option("--days", type=float, help="How long the key is valid; for ever if not given.")
@_FILE
def new(scopes: tuple[str, ...], name: str, days: float | None, path: Path) -> None:
    """Make a key and print it, this once: the file keeps its hash alone.

    A running service takes it at once.
    """
    from polyscene.serving.keys import KeyFile

    secret, key = KeyFile(path).new(scopes, name, days)
    click.echo(secret)
    click.echo(f"Key '{key.name}' for {', '.join(key.scopes)}. It is shown now and never again.", err=True)


@keys.command(
    "list",
    epilog="""\b
Examples:
  polyscene keys list
  polyscene keys list --json""",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_FILE
def list_keys(as_json: bool, path: Path) -> None:
    """List keys by name, with their scopes and until when they are valid."""
    from polyscene.cli.key_table import show_keys

    show_keys(path, as_json=as_json)


@keys.command(
    epilog="""\b
Examples:
  polyscene keys revoke web
  polyscene keys revoke web --file keys.json"""
)
@click.argument("name")
@_FILE
def revoke(name: str, path: Path) -> None:
    """Revoke the key NAME. A running service refuses it at once."""
    from polyscene.serving.keys import KeyFile

    KeyFile(path).revoke(name)
    click.echo(f"Revoked '{name}'.")
