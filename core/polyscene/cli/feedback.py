"""``polyscene feedback``."""

from __future__ import annotations

from pathlib import Path

import click

_LOG = click.option(
    "--log",
    "url",
    metavar="URL",
    default="feedback.db",
    show_default=True,
    help="The log: a file, sqlite:///PATH, or postgresql://USER@HOST/DATABASE "
    "(the password as libpq finds it: PGPASSWORD or ~/.pgpass).",
)
_USER = click.option("--user", required=True, metavar="ID", help="The user's id.")


@click.group()
def feedback() -> None:
    """What users were shown and what they did."""


@feedback.command(
    "import",
    epilog="""\b
Examples:
  polyscene feedback import events.jsonl
  polyscene feedback import clicks.csv --log sqlite:///feedback.db
  polyscene feedback import clicks.parquet --scenario video""",
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--scenario", metavar="NAME", help="The scenario of rows that do not name one.")
@_LOG
def import_(file: Path, scenario: str | None, url: str) -> None:
    """Add the events of FILE to the log, which is made where there is none.

    FILE holds one event a line or row: JSON lines (.jsonl), CSV (.csv) or Parquet (.parquet) with event_id, kind
    (click, purchase, rating, skip, view), time (unix seconds), scenario, user and item, and where known value and
    impression (event_id of the list that showed the item). A list that was shown has the kind impression, with
    items, scores, model and policy, and where known propensities, experiment, arm, view and context; not in CSV.

    Events that the log has already are passed over, so an import that broke off is simply run again.
    """
    from polyscene.cli.feedback_log import import_file

    import_file(file, url, scenario)


@feedback.command(
    epilog="""\b
Examples:
  polyscene feedback export --user 42
  polyscene feedback export --user 42 --log sqlite:///feedback.db > user-42.jsonl"""
)
@_USER
@_LOG
def export(user: str, url: str) -> None:
    """Print all that the log holds about a user, as JSON lines that `import` reads."""
    from polyscene.cli.feedback_log import export_user

    export_user(user, url)


@feedback.command(
    epilog="""\b
Examples:
  polyscene feedback erase --user 42 --yes
  polyscene feedback erase --user 42 --yes --log sqlite:///feedback.db"""
)
@_USER
@_LOG
@click.confirmation_option(prompt="The user's events cannot be restored afterwards. Erase them?")
def erase(user: str, url: str) -> None:
    """Erase all that the log holds about a user, for good.

    In a SQLite log the deleted rows are overwritten; a PostgreSQL server reuses their space when it tidies up.
    Models that learned from the events, and backups, are not touched.
    """
    from polyscene.cli.feedback_log import erase_user

    erase_user(user, url)


@feedback.command(
    epilog="""\b
Examples:
  polyscene feedback tail
  polyscene feedback tail -n 100 --log sqlite:///feedback.db"""
)
@click.option("-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="How many events.")
@click.option("--follow", is_flag=True, help="Go on with new events until Ctrl-C.")
@_LOG
def tail(count: int, follow: bool, url: str) -> None:
    """Print the last events as JSON lines, the latest last."""
    from polyscene.cli.feedback_log import print_tail

    print_tail(count, url, follow=follow)


@feedback.command(
    epilog="""\b
Examples:
  polyscene feedback stats
  polyscene feedback stats --json --log sqlite:///feedback.db"""
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_LOG
def stats(as_json: bool, url: str) -> None:
    """Count events and users, by scenario and kind."""
    from polyscene.cli.feedback_log import show_stats

    show_stats(url, as_json=as_json)
