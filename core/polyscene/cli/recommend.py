"""``polyscene recommend``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_run

_EXAMPLE = "polyscene recommend run=latest scenario=video user=42 k=10"


@click.command(
    epilog=f"""\b
Examples:
  {_EXAMPLE}
  polyscene recommend run=latest scenario=ecommerce user=2375 k=5 device=cpu
  polyscene recommend run=latest scenario=video user=42 route=soft"""
)
@click.argument(
    "arguments", nargs=-1, metavar="run=RUN scenario=NAME user=ID [KEY=VALUE]...", shell_complete=complete_run
)
def recommend(arguments: tuple[str, ...]) -> None:
    """Show the best items for a user: titles, scores, and what the user had seen.

    Keys: run (a directory, or latest), scenario, user, k, route (label; hard, soft or router: as if nobody had
    said to which scenario the user belongs), device, data.root, data.cache, data.offline, root (folder that
    latest looks in).
    """
    from polyscene.config.arguments import from_arguments
    from polyscene.config.schema import RecommendConfig

    config = from_arguments(RecommendConfig, arguments, where="polyscene recommend", example=_EXAMPLE)

    from polyscene.evaluation.recommend import recommend as recommend_items
    from polyscene.registry.host import load_host

    recommend_items(config, load_host())
