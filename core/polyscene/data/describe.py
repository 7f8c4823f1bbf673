"""What is in a scenario's tables, for people and for programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polyscene.data.access import DataAccess
from polyscene.data.datasets import DataSet
from polyscene.data.ids import counts, series
from polyscene.data.phases import Phase
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables


def list_datasets(datasets: Mapping[str, DataSet] | Iterable[str], access: DataAccess) -> list[dict[str, str]]:
    """One row per data set: ``name``, ``title``, ``status``, ``source``, ``terms``. Fetches nothing.

    ``status`` is ``folder`` (yours), ``cached``, ``to fetch`` or ``missing``.
    """
    return [
        {
            "name": name,
            "title": access.get(name).title,
            "status": access.status(name),
            "source": access.get(name).source,
            "terms": access.get(name).terms,
        }
        for name in sorted(datasets)
    ]


def describe_tables(name: str, tables: Tables, split: Split | None = None) -> dict[str, Any]:
    """Facts about a scenario's tables, ready for JSON.

    Keys: ``name``, ``rows`` (per table), ``density``, ``per_user`` and ``per_item`` (median and maximum of those
    that occur), ``items_without_interaction``, ``time`` (first and last, ISO; ``None`` without times), ``value``
    (name, smallest, mean, largest), ``text`` (per text column of the items: share filled, distinct texts, median
    length in characters), ``dropped``, ``sources``, ``fingerprint`` and, with a split, ``split``.
    """
    per_user = counts(tables.user_R, len(tables.users))
    per_item = counts(tables.item_R, len(tables.items))
    tabled = {"items": tables.items, "users": tables.users, "interactions": tables.interactions}
    tabled |= {
        key: frame for key, frame in (("links", tables.links), ("facts", tables.facts)) if frame is not None
    }
    described: dict[str, Any] = {
        "name": name,
        "rows": {key: len(frame) for key, frame in tabled.items()},
        "density": len(tables.interactions) / (len(tables.users) * len(tables.items)),
        "per_user": _spread(per_user),
        "per_item": _spread(per_item),
        "items_without_interaction": int((per_item == 0).sum()),
        "time": _time_span(tables),
        "value": _value(tables),
        "text": {
            column: _text(series(tables.items, column))
            for column in tables.items.columns
            if column != "item_id" and isinstance(tables.items[column].dtype, pd.StringDtype)
        },
        "dropped": dict(tables.dropped),
        "sources": list(tables.sources),
        "fingerprint": tables.fingerprint(),
    }
    if split is not None:
        described["split"] = {
            "description": split.description,
            "rows": {phase.name.lower(): split.count(phase) for phase in Phase},
            "cold_items": int(split.cold_N.sum()),
            "cold_users": int(split.cold_U.sum()),
        }
    return described


def render_datasets(rows: list[dict[str, str]]) -> RenderableType:
    """A terminal table of :func:`list_datasets`."""
    table = Table(title="Data sets", title_justify="left")
    columns = ("name", "status", "title", "source", "terms")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("name", "status"))
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def render_description(described: Mapping[str, Any]) -> RenderableType:
    """A terminal page of :func:`describe_tables`."""
    table = Table(show_header=False, title=str(described["name"]), title_justify="left")
    for key, shown in _lines(described):
        table.add_row(key, shown)
    notes = [Text(f"source: {source}") for source in described["sources"]]
    dropped = described["dropped"]
    notes.append(Text("dropped or merged: nothing" if not dropped else "dropped or merged:"))
    notes += [Text(f"  {count:>10,}  {what}") for what, count in dropped.items()]
    return Group(table, *notes)


def _lines(described: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "rows", ", ".join(f"{count:,} {table}" for table, count in described["rows"].items())
    yield "density", f"{described['density']:.4%}"
    for key in ("per_user", "per_item"):
        yield key.replace("_", " "), f"median {described[key]['median']:g}, at most {described[key]['max']:,}"
    yield "items without interaction", f"{described['items_without_interaction']:,}"
    time, value = described["time"], described["value"]
    yield "time", f"{time['first']} to {time['last']}" if time else "none in the source"
    yield (
        "value",
        f"{value['name']}: {value['min']:g} to {value['max']:g}, mean {value['mean']:.3g}" if value else "1",
    )
    for column, text in described["text"].items():
        length = f"median {text['median_length']:g} characters"
        yield f"text '{column}'", f"{text['filled']:.1%} filled, {text['distinct']:,} distinct, {length}"
    if "split" in described:
        split = described["split"]
        yield "split", split["description"]
        yield "phases", ", ".join(f"{count:,} {phase}" for phase, count in split["rows"].items())
        yield "cold", f"{split['cold_items']:,} items, {split['cold_users']:,} users"
    yield "fingerprint", str(described["fingerprint"])


def _spread(count: Any) -> dict[str, float]:
    present = count[count > 0]
    return {"median": float(pd.Series(present).median()), "max": int(present.max())}


def _time_span(tables: Tables) -> dict[str, str] | None:
    if tables.time_R is None:
        return None
    first, last = (
        dt.datetime.fromtimestamp(int(end), dt.UTC) for end in (tables.time_R.min(), tables.time_R.max())
    )
    return {"first": first.isoformat(), "last": last.isoformat()}


def _value(tables: Tables) -> dict[str, Any] | None:
    if tables.value_R is None:
        return None
    value = tables.value_R
    return {
        "name": tables.value,
        "min": float(value.min()),
        "mean": float(value.mean()),
        "max": float(value.max()),
    }


def _text(column: pd.Series) -> dict[str, float]:
    filled = column.fillna("").str.strip()
    filled = filled[filled != ""]
    length = filled.str.len().median() if len(filled) else 0
    return {
        "filled": len(filled) / max(len(column), 1),
        "distinct": int(filled.nunique()),
        "median_length": float(length),
    }
