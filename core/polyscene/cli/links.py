"""What ``polyscene data links`` does."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd

from polyscene.data.sources import read_frame
from polyscene.data.sources.atomic import read_atomic
from polyscene.errors import DataError, did_you_mean
from polyscene.graph import KnowledgeGraph, check_links, read_facts, read_links

_SEPARATORS = r"[|,; ]+"


def show_links(facts: Path, links: Path, items: Path, tags: str, *, as_json: bool) -> None:
    """Check links between items and entities, and say how well the two agree, beside chance."""
    graph = KnowledgeGraph.from_facts(read_facts(facts))
    linked, described = read_links(links), _items(items)
    for column in ("item_id", tags):
        if column not in described:
            raise DataError(
                f"there is no column '{column}'",
                where=str(items),
                fix=did_you_mean(column, map(str, described.columns)),
            )
    described["item_id"] = described["item_id"].astype("str")
    labels_of = dict(zip(described["item_id"], described[tags].fillna("").astype(str), strict=True))
    joined = linked[linked["item_id"].isin(list(labels_of))]
    if joined.empty:
        raise DataError(
            f"none of {len(linked):,} links names an item of {items.name}; links have ids such as "
            f"'{linked['item_id'].iloc[0]}', items such as '{described['item_id'].iloc[0]}'",
            where=str(links),
            fix="give the links of these items",
        )
    labels = [filter(None, re.split(_SEPARATORS, labels_of[item])) for item in joined["item_id"]]
    check = check_links(graph, joined["entity"].tolist(), labels)
    if as_json:
        counted = {"links": len(linked), "items named": len(joined)}
        click.echo(json.dumps({**counted, **asdict(check), "misaligned": check.misaligned}, indent=2))
        return
    click.echo(f"{len(linked):,} links, {len(joined):,} of them name an item of {items.name}")
    click.secho(str(check), fg="yellow" if check.misaligned else None)


def _items(path: Path) -> pd.DataFrame:
    return read_atomic(path) if path.suffix == ".item" else read_frame(path, None)
