"""``polyscene experiment``."""

from __future__ import annotations

from pathlib import Path

import click

_LOG = click.option(
    "--log", "url", default="deployment/feedback.db", show_default=True, help="The feedback log: a path or URL."
)


@click.group()
def experiment() -> None:
    """What experiments brought, and what another policy would have brought."""


@experiment.command(
    epilog="""\b
Examples:
  polyscene experiment report ranker --log feedback.db
  polyscene experiment report ranker --log feedback.db --arms control=0.9,new=0.1 --window 7d
  polyscene experiment report ranker --log feedback.db --reward purchase --guardrail click=0.01
  polyscene experiment report ranker --log feedback.db --json"""
)
@click.argument("name")
@_LOG
@click.option("--arms", metavar="ARM=WEIGHT,...", help="All arms, control first; else those of the log, evenly.")
@click.option("--control", metavar="ARM", help="The arm that others are compared with, where --arms is not given.")
@click.option("--reward", default="click", show_default=True, help="The kind of reaction that decides.")
@click.option(
    "--guardrail", "guardrails", multiple=True, metavar="KIND=X", help="May not get worse by more than X."
)
@click.option("--window", default="1d", show_default=True, help="How long each user is observed: 90s, 12h, 7d.")
@click.option("--level", default=0.05, show_default=True, help="How often any interval may miss, at any time.")
@click.option("--planned", default=10_000.0, show_default=True, help="Users at which intervals are narrowest.")
@click.option("--scenario", help="Lists of this scenario only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def report(name: str, url: str, as_json: bool, **options: object) -> None:
    """Compare the arms of the experiment NAME. Look as often as you like, and stop at a decision.

    A user is one observation: the part of the lists of the first WINDOW that brought a reaction. Intervals hold at
    all looks together. Decisions: better, worse, keep looking, stopped by guardrail, invalid by sample ratio.
    """
    from polyscene.experiments.command import show_report

    show_report(name, url, as_json=as_json, **options)  # type: ignore[arg-type]  # named above


@experiment.command(
    epilog="""\b
Examples:
  polyscene experiment estimate targets.jsonl --log feedback.db
  polyscene experiment estimate targets.jsonl --log feedback.db --places 1 --clip 50
  polyscene experiment estimate targets.jsonl --log feedback.db --reward purchase --json"""
)
@click.argument("policy", type=click.Path(path_type=Path), metavar="POLICY")
@_LOG
@click.option("--reward", default="click", show_default=True, help="The kind of reaction that counts.")
@click.option(
    "--places", type=click.IntRange(min=1), help="Look at so many places from the first on (default: all)."
)
@click.option("--clip", type=float, help="The largest weight; none is clipped by default.")
@click.option("--level", default=0.05, show_default=True, help="How often an interval may miss.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def estimate(policy: Path, url: str, as_json: bool, **options: object) -> None:
    """Estimate what a list of POLICY would have brought, from the log of what was shown instead.

    POLICY is a file of JSON lines, one for each list: its event_id, and as propensities the probability with which
    the policy would have put each shown item at its place (and features and mean_features for dr). What an item
    brings is taken to depend on its place but not on the other items; --places 1 needs the first place only.
    """
    from polyscene.experiments.command import show_estimates

    show_estimates(policy, url, as_json=as_json, **options)  # type: ignore[arg-type]  # named above
