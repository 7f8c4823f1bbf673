"""The page and the tables of a transfer run: equal to transfer.json, valid, self-contained, readable by name."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from polyscene.errors import CheckpointError
from polyscene.evaluation.transfer.figures import Figures
from polyscene.evaluation.transfer.matrix import matrix
from polyscene.evaluation.transfer.negative import best_for_all, negative_transfer
from polyscene.report import print_transfer, read_transfer, write_transfer, write_transfer_page
from polyscene.report.charts.heat import STRONGEST
from tests.evaluation.transfer.test_matrix import ROWS, results
from tests.report.drawn import specs
from tests.report.test_html import Page, without_vega

MINUS = "\N{MINUS SIGN}"
GATE: dict[str, Any] = {"name": "gate", "activation": "identity"}


def described(label: str, trained: list[str]) -> dict[str, Any]:
    kind = {"untrained": "untrained", "joint": "joint"}.get(label, "remedy" if "adapter" in label else "single")
    adapter = {"name": "none"} if kind == "remedy" else GATE
    changed = "adapter" if kind == "remedy" else ""
    return {
        "label": label,
        "kind": kind,
        "trained": trained,
        "changed": changed,
        "adapter": adapter,
        "balancer": {"name": "mean"},
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory with results chosen by hand."""
    found = results()
    figures = Figures(found)
    folder = tmp_path / "matrix"
    folder.mkdir()
    write_transfer(
        folder,
        {
            "schema": 1,
            "status": "finished",
            "scenarios": ["a", "b"],
            "seeds": [0, 1],
            "rows": [
                {"label": "popularity", "kind": "control", "trained": []},
                *(described(row.label, list(row.trained)) for row in ROWS),
            ],
            "matrix": matrix(figures, ["popularity"], ROWS),
            "matrices": {name: matrix(Figures(found, name), ["popularity"], ROWS) for name in ("warm", "cold")},
            "negative_transfer": negative_transfer(figures, ROWS),
            "best_for_all": best_for_all(figures, ROWS),
            "validation": [],
            "results": [row for one in found for row in one.results],
            "failed": {"seed1/joint-adapter-film": "the loss is not a number"},
            "cosines": [{"row": "joint", "scenarios": ["a", "b"], "mean": -0.25, "spread": 0.125, "seeds": 2}],
            "model_seconds": {f"seed{one.seed}/{one.label}": 1.5 for one in found if one.seed is not None},
            "seconds": {"train": 9.0},
            "memory_mb": 512.0,
            "sources": {"a": {"title": "MovieLens-1M", "origin": "a wheel", "terms": "research use"}},
            "skipped": {"music": "data not available"},
        },
    )
    return folder


def page(run: Path) -> Page:
    return Page(write_transfer_page(run).read_text(encoding="utf-8"))


def test_the_heat_map_holds_every_cell(run: Path) -> None:
    drawn = specs(write_transfer_page(run).read_text(encoding="utf-8"))
    names = {"popularity": "popularity", "untrained": "untrained model", "joint": "all"}
    found = read_transfer(run)
    for title, matrix_ in (("Transfer matrix", found["matrix"]), ("Cold items", found["matrices"]["cold"])):
        spec = drawn[f"{title}: trained on (down), tested on (across)"]
        shown = {(row["row"], row["column"], row["text"].split()[0]) for row in spec["data"]["values"]}
        assert shown == {
            (
                names.get(one["row"], one["row"].removeprefix("single-")),
                f"{one['scenario']}\nndcg@10",
                f"{one['mean']:.4f}",
            )
            for one in matrix_["cells"]
        }


def test_shades_say_gain_and_loss(run: Path) -> None:
    drawn = specs(write_transfer_page(run).read_text(encoding="utf-8"))
    rows = drawn["Transfer matrix: trained on (down), tested on (across)"]["data"]["values"]
    cells = {(row["row"], row["column"][0]): row for row in rows}
    assert cells["a", "b"]["gain"]
    assert not cells["b", "a"]["gain"]
    assert cells["a", "a"]["framed"]
    assert not cells["a", "b"]["framed"]
    assert {row["shade"] for row in rows} >= {0.0, STRONGEST}


def test_it_parses_and_links_lead_somewhere(run: Path) -> None:
    found = page(run)
    ids = [attributes["id"] for _, attributes in found.attributes if "id" in attributes]
    links = {attributes["href"] for tag, attributes in found.attributes if tag == "a"}
    assert len(ids) == len(set(ids))
    assert {f"#{name}" for name in ids} >= links
    assert "#cosines" in links


def test_it_refers_to_nothing_outside_itself(run: Path) -> None:
    text = without_vega(write_transfer_page(run).read_text(encoding="utf-8"))
    assert not re.search(r"https?://|url\(|@import| style=| src=", text)
    assert "default-src 'none'" in text


def test_every_figure_equals_the_file(run: Path) -> None:
    found = page(run)
    values = {attributes.get("data-value") for tag, attributes in found.attributes if tag == "td"}
    for one in read_transfer(run)["matrix"]["cells"]:
        assert str(one["mean"]) in values
    for entry in read_transfer(run)["negative_transfer"]:
        for one in entry["tried"]:
            assert str(one["difference"]["mean"]) in values
            assert str(one["validation"]) in values


def test_it_says_what_happened_in_words(run: Path) -> None:
    text = " ".join(" ".join(page(run).texts).split())
    for part in (
        "10 of 10 models are finished; seeds 0, 1.",
        f"a: joint minus single is {MINUS}0.2000 ± 0.0000 ndcg@10, clearly worse. Mended by the adapter none",
        "b: joint minus single is +0.1000 ± 0.0000 ndcg@10, clearly better.",
        "as configured: gate (activation identity), mean",
        "only what a model adds to both of them is transfer",
        "seed1/joint-adapter-film",
        "data not available",
        "MovieLens-1M",
    ):
        assert part in text, part


def test_cosines_of_gradients_are_drawn(run: Path) -> None:
    spec = specs(write_transfer_page(run).read_text(encoding="utf-8"))["Cosine between the gradients of scenarios"]
    cells = {(row["row"], row["column"]): (row["written"], row["gain"]) for row in spec["data"]["values"]}
    assert cells == {("a", "b"): ("-0.250 ± 0.1250", False), ("b", "a"): ("-0.250 ± 0.1250", False)}


def test_names_from_data_stay_texts(run: Path, hostile: str) -> None:
    clean = [tag for tag, _ in page(run).attributes]
    found = read_transfer(run)
    text = (run / "transfer.json").read_text()
    assert '"single-a"' in text
    for cell in [*found["matrix"]["cells"], *found["matrix"]["columns"], *found["negative_transfer"]]:
        cell["scenario"] = hostile if cell["scenario"] == "a" else cell["scenario"]
    found["failed"] = {hostile: hostile}
    write_transfer(run, found)
    tags = [tag for tag, _ in page(run).attributes]
    assert tags.count("script") == clean.count("script")
    assert "img" not in tags


def test_the_terminal(run: Path) -> None:
    console = Console(file=io.StringIO(), width=140, record=True)
    print_transfer(run, console)
    text = console.export_text()
    assert re.search(r"a +0\.4050 ± 0\.0071 +0\.2250 ± 0\.0071 \+", text), "an off-diagonal gain is marked"
    assert re.search(rf"b +0\.0550 ± 0\.0071 {MINUS}", text)
    assert re.search(rf"all +0\.2050 ± 0\.0071 {MINUS} +0\.6050 ± 0\.0071 \+", text)
    assert "clearly worse" in text
    assert "seed1/joint-adapter-film was left out" in text


def test_a_narrow_terminal_leaves_spreads_out(run: Path) -> None:
    console = Console(file=io.StringIO(), width=60, record=True)
    print_transfer(run, console)
    assert re.search(r"a +0\.4050 +0\.2250 \+", console.export_text())


def test_an_unfinished_run_has_a_page_that_says_so(run: Path) -> None:
    empty = {"columns": [], "cells": []}
    found = read_transfer(run) | {"status": "running", "matrix": empty, "matrices": {}, "negative_transfer": []}
    write_transfer(run, found | {"model_seconds": {}, "results": [], "cosines": []})
    text = " ".join(page(run).texts)
    assert "This run is not finished (running)." in text
    assert "Nothing is finished yet." in text


def test_a_wrong_file_is_refused(run: Path) -> None:
    found = read_transfer(run)
    found["negative_transfer"][0]["difference"]["verdict"] = "clearly good"
    with pytest.raises(CheckpointError, match="'clearly good' is not one of"):
        write_transfer(run, found)
    with pytest.raises(CheckpointError, match=r"there is no transfer.json"):
        read_transfer(run.parent)
