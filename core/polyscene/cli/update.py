"""``polyscene update`` and ``polyscene rollback``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_run

_EXAMPLE = "polyscene update run=latest deployment=shop"
_ROLLBACK = "polyscene rollback deployment=shop"


@click.command(
    epilog=f"""\b
Examples:
  {_EXAMPLE}
  polyscene update deployment=shop --dry-run
  polyscene update deployment=shop scenario=video learn.steps=30 budget=0.01
  polyscene update deployment=shop promotion=both offpolicy.reward=click
  polyscene update deployment=shop promotion=never least=20"""
)
@click.argument("arguments", nargs=-1, metavar="[run=RUN] [KEY=VALUE]...", shell_complete=complete_run)
@click.option("--dry-run", is_flag=True, help="Learn, measure and decide, and change nothing.")
def update(arguments: tuple[str, ...], dry_run: bool) -> None:
    """Learn from new feedback, and let the model that learned serve where that is shown to help.

    The version that a deployment has promoted learns from the reactions that its log has got since: adapters and
    heads of the scenarios that have new rows, beside rows of before that are replayed, and held to the scores that
    it gave before. Everything else stays as it is, bit for bit. Priors and popularity count the new rows whenever
    the version is loaded. Old and new are compared on the run's validation rows, of which only so much may be
    forgotten (budget), on the latest new rows, which are held out until the next update, and on lists of the log
    (SNIPS) where it explored. If all agree, the new version is promoted; if what was learned is refused, and
    counting alone ranks held-out rows better, that is. Servers take it up by themselves without a failed request,
    and `polyscene rollback` goes back. Every decision is in the deployment's audit.jsonl, all figures are in the
    version's update.json.

    Keys: run (what a new deployment begins with), deployment, scenario, feedback (where the log is: a path or
    postgresql://...), kinds (click, purchase, rating, view), positive_from, count (false: learn alone), least,
    held, budget, budget_in_all, kept_users, promotion (auto; kept_set, both, never), keep_refused, seed,
    learn.steps, learn.lr, learn.batch, learn.encoders (true: the scenario's own encoders learn as well),
    learn.replay, learn.distill, learn.remembered, offpolicy.reward, offpolicy.lists, offpolicy.clip, dry_run,
    device, data.root, data.cache, data.offline, root (folder that latest looks in).
    """
    from polyscene.config.arguments import from_arguments
    from polyscene.updating.config import UpdateConfig

    given = (*arguments, "dry_run=true") if dry_run else arguments
    config = from_arguments(UpdateConfig, given, where="polyscene update", example=_EXAMPLE)

    from polyscene.cli.messages import print_broken
    from polyscene.registry.host import load_host
    from polyscene.training.reporter import Reporter
    from polyscene.updating.run import update as update_deployment
    from polyscene.updating.table import print_outcome

    host = load_host()
    print_broken(host)
    reporter = Reporter(host, speaks=True)
    print_outcome(update_deployment(config, host, reporter), config, reporter.console)


@click.command(
    epilog=f"""\b
Examples:
  {_ROLLBACK}
  polyscene rollback deployment=shop why="complaints about repeats\""""
)
@click.argument("arguments", nargs=-1, metavar="[deployment=FOLDER] [why=TEXT]")
def rollback(arguments: tuple[str, ...]) -> None:
    """Let the version serve again that did before the promoted one.

    Servers that run take it up by themselves. What the version that goes had learned, the next update learns anew.

    Keys: deployment, why (for the audit).
    """
    from polyscene.config.arguments import from_arguments
    from polyscene.updating.config import RollbackConfig

    config = from_arguments(RollbackConfig, arguments, where="polyscene rollback", example=_ROLLBACK)

    from polyscene.updating.back import roll_back

    click.echo(roll_back(config))
