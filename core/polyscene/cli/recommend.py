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
  polyscene recommend run=latest scenario=video user=42 route=soft
  polyscene recommend run=latest scenario=video user=42 k=5 --explain
  polyscene recommend run=latest scenario=music text="likes slow jazz and piano"
  polyscene recommend run=latest scenario=music user=2 new_items=artists.csv"""
)
@click.argument(
    "arguments", nargs=-1, metavar="run=RUN scenario=NAME user=ID [KEY=VALUE]...", shell_complete=complete_run
)
@click.option("--explain", is_flag=True, help="Show paths in the knowledge graph; the same as explain=true.")
def recommend(arguments: tuple[str, ...], explain: bool) -> None:
    """Show the best items for a user: titles, scores, and what the user had seen.

    Keys: run (a directory, or latest), scenario, user or text (what an unknown user likes, in words), new_items
    (a CSV or Parquet file with item_id and the columns of the scenario's items, to recommend from as well), k,
    route (label; hard, soft or router: as if nobody had said to which scenario the user belongs), explain (true:
    paths in the knowledge graph), device, data.root, data.cache, data.offline, root (folder that latest looks in).
    """
    from polyscene.config.arguments import from_arguments
    from polyscene.config.schema import RecommendConfig

    given = (*arguments, "explain=true") if explain else arguments
    config = from_arguments(RecommendConfig, given, where="polyscene recommend", example=_EXAMPLE)

    from polyscene.evaluation.recommend import recommend as recommend_items
    from polyscene.registry.host import load_host

    recommend_items(config, load_host())
