"""``polyscene plugins``."""

from __future__ import annotations

import click


@click.group()
def plugins() -> None:
    """Installed plugins."""


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
    import json

    from rich.console import Console

    from polyscene.registry.host import load_host

    host = load_host()
    # Asking for components loads them, which shows faults that nothing else would.
    assert host.registry is not None
    if as_json:
        click.echo(json.dumps([record.as_dict() for record in host.records], indent=2))
        return
    Console().print(_table(host.records))


def _table(records: list) -> object:
    from rich.table import Table
    from rich.text import Text

    styles = {"active": "green", "broken": "bold red", "disabled": "dim"}
    table = Table(title="Plugins", title_justify="left")
    for column in ("name", "status", "distribution", "API", "brings, or what is wrong"):
        table.add_column(column, overflow="fold")
    for record in records:
        brings = ", ".join([*(f"scenario/{name}" for name in record.scenarios), *record.components])
        table.add_row(
            record.name,
            Text(record.status, style=styles[record.status]),
            record.source,
            record.api or "-",
            Text(brings if record.status == "active" else record.reason),
        )
    return table
