"""What ``polyscene plugins list`` and ``describe`` show."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from polyscene.config.plain import to_mapping
from polyscene.errors import PluginError, did_you_mean
from polyscene.registry.host import Host, load_host
from polyscene.registry.options import Option, options_of
from polyscene.registry.records import PluginRecord

_STYLES = {"active": "green", "broken": "bold red", "disabled": "dim"}


def show_list(*, as_json: bool) -> None:
    """All plugins, as a table or as JSON."""
    records = _loaded().records
    if as_json:
        click.echo(json.dumps([record.as_dict() for record in records], indent=2))
        return
    table = Table(title="Plugins", title_justify="left")
    for column in ("name", "status", "distribution", "version", "API", "brings, or what is wrong"):
        table.add_column(column, overflow="fold")
    for record in records:
        table.add_row(
            record.name,
            Text(record.status, style=_STYLES[record.status]),
            record.distribution,
            record.version,
            record.api or "-",
            Text(_brought(record) if record.status == "active" else record.reason),
        )
    Console().print(table)


def show_description(name: str, *, as_json: bool) -> None:
    """One plugin with everything it brings and all options of it.

    Raises:
        PluginError: there is no such plugin.
    """
    host = _loaded()
    found = [record for record in host.records if record.name == name]
    if not found:
        raise PluginError(
            f"no plugin is called '{name}'",
            where="polyscene plugins describe",
            fix=did_you_mean(name, [record.name for record in host.records]),
        )
    record, brings = found[0], _described(found[0], host)
    if as_json:
        shown = {
            what: {"title": title, "options": [to_mapping(dataclasses.asdict(option)) for option in options]}
            for what, (title, options) in brings.items()
        }
        click.echo(json.dumps({**record.as_dict(), "brings": shown}, indent=2))
        return
    console = Console(highlight=False)
    _print_facts(record, console)
    for what, (title, options) in brings.items():
        console.print(Text.assemble((f"\n{what}", "bold cyan"), f"  {title}"))
        _print_options(options, console)


def _loaded() -> Host:
    host = load_host()
    # Asking for components loads them, which shows faults that nothing else would.
    assert host.registry is not None
    return host


def _brought(record: PluginRecord) -> str:
    return ", ".join([*(f"scenario/{name}" for name in record.scenarios), *record.components])


def _described(record: PluginRecord, host: Host) -> dict[str, tuple[str, list[Option]]]:
    """Title and options of each thing that an active plugin brings; of others nothing is known but names."""
    if record.status != "active":
        return {}
    brings: dict[str, tuple[str, list[Option]]] = {}
    for name in record.scenarios:
        scenario = host.scenarios[name]
        brings[f"scenario/{name}"] = (scenario.title, options_of(scenario.config))
    for name in record.components:
        component = host.component(*name.split("/"))
        brings[name] = (_first_line(component.build), options_of(component.config))
    return brings


def _first_line(build: Any) -> str:
    lines = (build.__doc__ or "").strip().splitlines()
    return lines[0].replace("``", "") if lines else ""


def _print_facts(record: PluginRecord, console: Console) -> None:
    facts = Table(show_header=False, box=None, pad_edge=False)
    for what, value in (
        ("plugin", Text(record.name, style="bold")),
        ("status", Text(record.status, style=_STYLES[record.status])),
        ("reason", Text(record.reason)),
        ("distribution", Text(record.source)),
        ("module", Text(record.module)),
        ("API", Text(record.api)),
        ("hooks", Text(", ".join(record.hooks))),
        ("brings", Text(_brought(record))),
    ):
        if value.plain:
            facts.add_row(what, value)
    console.print(facts)


def _print_options(options: list[Option], console: Console) -> None:
    if not options:
        console.print("  no options", style="dim")
    for option in options:
        style = "dim" if option.inherited else ""
        default = "" if option.required else f" = {json.dumps(to_mapping(option.default), default=str)}"
        declared = Text.assemble((option.name, "bold"), f": {option.type}{default}", style=style)
        console.print(Padding(declared, (0, 0, 0, 2)))
        if option.text:
            console.print(Padding(Text(option.text, style=style), (0, 0, 0, 6)))
