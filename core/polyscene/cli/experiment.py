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
  polyscene experiment report ranker
  polyscene experiment report ranker --deployment shop --page ranker
  polyscene experiment report ranker --log feedback.db --arms control=0.9,new=0.1 --window 7d
  polyscene experiment report ranker --log feedback.db --reward purchase --guardrail click=0.01
  polyscene experiment report ranker --json"""
)
@click.argument("name")
@click.option(
    "--deployment",
    default="deployment",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Whose config.json plans the experiment; the options below change that for once.",
)
@click.option("--log", "url", help="The feedback log, a path or URL; else the deployment's feedback.db.")
@click.option("--arms", metavar="ARM=WEIGHT,...", help="All arms, control first; else as planned, or of the log.")
@click.option("--control", metavar="ARM", help="The arm that others are compared with, where none are planned.")
@click.option("--reward", help="The kind of reaction that decides (default: click).")
@click.option(
    "--guardrail", "guardrails", multiple=True, metavar="KIND=X", help="May not get worse by more than X."
)
@click.option("--window", help="How long each user is observed: 90s, 12h, 7d (default: 1d).")
@click.option("--level", type=float, help="How often any interval may miss, at any time (default: 0.05).")
@click.option("--planned", type=float, help="Users at which intervals are narrowest (default: 10,000).")
@click.option("--scenario", help="Lists of this scenario only.")
@click.option(
    "--page", type=click.Path(path_type=Path), metavar="FOLDER", help="Write FOLDER/report.html as well."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def report(name: str, deployment: Path, **options: object) -> None:
    """Compare the arms of the experiment NAME. Look as often as you like, and stop at a decision.

    A user is one observation: the part of the lists of the first WINDOW that brought a reaction. Intervals hold at
    all looks together. Decisions: better, worse, keep looking, stopped by guardrail, invalid by sample ratio.
    """
    from polyscene.experiments.command import show_report

    show_report(name, deployment, **options)  # type: ignore[arg-type]  # named above


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
