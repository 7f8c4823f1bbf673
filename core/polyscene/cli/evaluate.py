"""``polyscene evaluate``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_run

_EXAMPLE = "polyscene evaluate run=latest"


@click.command(
    epilog=f"""\b
Examples:
  {_EXAMPLE}
  polyscene evaluate run=latest scenario=[video,music] protocol=cold
  polyscene evaluate run=latest device=cpu data.offline=true"""
)
@click.argument("arguments", nargs=-1, metavar="run=RUN [KEY=VALUE]...", shell_complete=complete_run)
def evaluate(arguments: tuple[str, ...]) -> None:
    """Measure a trained RUN again, on all scenarios or some, for all populations or one.

    Keys: run (a directory, or latest), scenario, protocol (warm, cold, cold_all, cold_user, cold_both), route
    (label, hard, soft), device, data.root, data.cache, data.offline, root (folder that latest looks in).
    """
    from polyscene.config.arguments import from_arguments
    from polyscene.config.schema import EvaluateConfig

    config = from_arguments(EvaluateConfig, arguments, where="polyscene evaluate", example=_EXAMPLE)

    from polyscene.evaluation.run import evaluate as evaluate_run
    from polyscene.registry.host import load_host

    evaluate_run(config, load_host())
