"""``polyscene data``."""

from __future__ import annotations

from pathlib import Path

import click

from polyscene.cli.completion import complete_names


@click.group()
def data() -> None:
    """Data sets and the scenarios' tables."""


@data.command(
    "list",
    epilog="""\b
Examples:
  polyscene data list
  polyscene data list data.root=FOLDER
  polyscene data list --json""",
)
@click.argument("arguments", nargs=-1, metavar="[data.KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_data(arguments: tuple[str, ...], as_json: bool) -> None:
    """List data sets: whether they are at hand, where they come from, and their terms. Fetches nothing."""
    from polyscene.cli.datasets import show_list

    show_list(arguments, as_json=as_json)


@data.command(
    epilog="""\b
Examples:
  polyscene data prepare movielens_1m
  polyscene data prepare video ecommerce
  polyscene data prepare lastfm_2k data.root=FOLDER"""
)
@click.argument(
    "names", nargs=-1, required=True, metavar="NAME... [data.KEY=VALUE]...",
    shell_complete=complete_names("dataset", "scenario"),
)  # fmt: skip
def prepare(names: tuple[str, ...]) -> None:
    """Fetch data sets, or the data of scenarios, into the cache and check them."""
    from polyscene.cli.datasets import prepare_all

    prepare_all(names)


@data.command(
    epilog="""\b
Examples:
  polyscene data describe video
  polyscene data describe music data.root=FOLDER
  polyscene data describe video scenario.video.split.cold_items=0.2 --json"""
)
@click.argument("name", shell_complete=complete_names("scenario", "dataset"))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def describe(name: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Describe the tables and the split of the scenario NAME, or the origin and terms of the data set NAME."""
    from polyscene.cli.datasets import show_description

    show_description(name, overrides, as_json=as_json)


@data.command(
    epilog="""\b
Examples:
  polyscene data links ml-100k.kg ml-100k.link ml-100k.item --tags class
  polyscene data links facts.tsv links.tsv items.parquet --tags genres --json"""
)
@click.argument("facts", type=click.Path(path_type=Path))
@click.argument("links", type=click.Path(path_type=Path))
@click.argument("items", type=click.Path(path_type=Path))
@click.option(
    "--tags", required=True, metavar="COLUMN", help="The column of ITEMS with their labels, such as genres."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def links(facts: Path, links: Path, items: Path, tags: str, as_json: bool) -> None:
    """Check that LINKS put entities of the graph FACTS on the right ITEMS.

    Items whose entities share a neighbor should be more alike in their tags than any two items are; links that are
    shuffled at random show what chance gives. Facts and links are .kg and .link files of RecBole, .tsv, .csv or
    .parquet; items are .item, .csv or .parquet.
    """
    from polyscene.cli.links import show_links

    show_links(facts, links, items, tags, as_json=as_json)
