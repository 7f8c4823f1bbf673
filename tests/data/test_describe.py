"""Descriptions are JSON and say what was dropped."""

from __future__ import annotations

import dataclasses
import io
import json

from rich.console import Console

from polyscene.data.access import DataAccess
from polyscene.data.datasets import DataSet
from polyscene.data.describe import describe_tables, list_datasets, render_datasets, render_description
from polyscene.data.generated import generate
from polyscene.data.splits import LeaveOneOut, SplitConfig


def shown(page) -> str:
    console = Console(width=120, file=io.StringIO())
    with console.capture() as capture:
        console.print(page)
    return capture.get()


def test_description():
    tables = dataclasses.replace(
        generate(users=20, items=10, interactions=200), dropped={"rows without a user": 3}
    )
    split = LeaveOneOut(SplitConfig(cold_items=0.1)).split(tables)
    described = json.loads(json.dumps(describe_tables("shop", tables, split)))
    assert described["rows"] == {
        "items": 10,
        "users": 20,
        "interactions": 200,
        "links": described["rows"]["links"],
        "facts": 10,
    }
    assert described["density"] == 1.0
    assert described["time"]["first"] == "2020-09-13T12:26:40+00:00"
    assert described["text"]["text"]["filled"] == 1.0
    assert described["dropped"] == {"rows without a user": 3}
    assert sum(described["split"]["rows"].values()) == 200
    assert described["split"]["cold_items"] == 1
    page = shown(render_description(described))
    for words in ("200 interactions", "3  rows without a user", "GENERATED", "leave_one_out", "1 items, 0 users"):
        assert words in page


def test_description_without_times_or_values(frames):
    given = frames(value="")
    given["interactions"] = given["interactions"][["user_id", "item_id"]]
    described = describe_tables("bare", type(generate(20, 10, 50))(**given))
    assert described["time"] is None
    assert described["value"] is None
    assert "none in the source" in shown(render_description(described))
    assert "dropped or merged: nothing" in shown(render_description(described))


def test_list(tmp_path):
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "plays.csv").touch()
    declared = {
        "songs": DataSet(name="songs", folder="songs", folder_files=("plays.parquet|plays.csv",), terms="ask"),
        "films": DataSet(name="films", kind="wheel", requirement="films==1.0", files=("a/b",), sha256="0" * 64),
        "books": DataSet(name="books", folder_files=("books.csv",)),
    }
    rows = list_datasets(declared, DataAccess(tmp_path, tmp_path / "cache", datasets=declared))
    assert [(row["name"], row["status"]) for row in rows] == [
        ("books", "missing"),
        ("films", "to fetch"),
        ("songs", "folder"),
    ]
    offline = DataAccess(tmp_path, tmp_path / "cache", offline=True, datasets=declared)
    assert [row["status"] for row in list_datasets(declared, offline)] == ["missing", "missing", "folder"]
    assert "package films==1.0" in shown(render_datasets(rows))
