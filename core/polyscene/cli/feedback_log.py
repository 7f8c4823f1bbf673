"""What ``polyscene feedback`` does."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from polyscene.errors import FeedbackError
from polyscene.feedback import FeedbackLog, Logged, open_log, to_mapping
from polyscene.feedback.files import read_events

_BATCH = 1000
_PAUSE_S = 0.5


def import_file(file: Path, url: str, scenario: str | None) -> None:
    """``polyscene feedback import``."""
    new = known = 0
    events = read_events(file, scenario)
    first = list(islice(events, _BATCH))  # a file that cannot be read makes no log
    with closing(open_log(url)) as log:
        try:
            while first:
                done = log.append(first)
                new, known = new + done.new, known + done.known
                first = list(islice(events, _BATCH))
        except FeedbackError as error:
            before = f"{new:,} new events before it are in the log; run the command again when this is mended"
            raise FeedbackError(
                error.what, where=error.where, fix="\n".join(filter(None, (error.fix, before)))
            ) from error
    click.echo(f"{new:,} new events; {known:,} were there already.")


def export_user(user: str, url: str) -> None:
    """``polyscene feedback export``."""
    with closing(_existing(url)) as log:
        for logged in log.export(user):
            _print(logged)


def erase_user(user: str, url: str) -> None:
    """``polyscene feedback erase``."""
    with closing(_existing(url)) as log:
        click.echo(f"{log.erase(user):,} events erased.")


def print_tail(count: int, url: str, *, follow: bool) -> None:
    """``polyscene feedback tail``."""
    with closing(_existing(url)) as log:
        cursor = max(log.last() - count, 0)
        while True:
            for logged in _read(log, cursor):
                _print(logged)
                cursor = logged.number
            if not follow:
                return
            time.sleep(_PAUSE_S)


def show_stats(url: str, *, as_json: bool) -> None:
    """``polyscene feedback stats``."""
    with closing(_existing(url)) as log:
        counts, last = log.counts(), log.last()
    if as_json:
        click.echo(json.dumps({"last": last, "counts": [dataclasses.asdict(one) for one in counts]}, indent=2))
        return
    table = Table("scenario", "kind", "events", "users", "first", "last")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for one in counts:
        figures = (f"{one.events:,}", f"{one.users:,}", _moment(one.first), _moment(one.last))
        table.add_row(one.scenario, one.kind, *figures)
    Console().print(table)
    click.echo(f"The last event has the number {last:,}.")


def _existing(url: str) -> FeedbackLog:
    return open_log(url, create=False)


def _read(log: FeedbackLog, after: int) -> Iterator[Logged]:
    for batch in log.read(after):
        yield from batch


def _print(logged: Logged) -> None:
    click.echo(json.dumps({"number": logged.number, **to_mapping(logged.event)}, ensure_ascii=False))


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
