"""What ``polyscene keys list`` shows."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from polyscene.serving.keys import read_keys


def show_keys(path: Path, *, as_json: bool) -> None:
    """Names, scopes and times of all keys in a file."""
    keys = read_keys(path).read()
    if as_json:
        rows = [
            {"name": key.name, "scopes": key.scopes, "created": key.created, "expires": key.expires}
            for key in keys
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("name", "scopes", "made", "valid until")
    now = time.time()
    for key in keys:
        until = "for ever" if key.expires is None else _moment(key.expires)
        table.add_row(
            key.name, ", ".join(key.scopes), _moment(key.created), until if key.is_valid(now) else "expired"
        )
    Console().print(table)


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
