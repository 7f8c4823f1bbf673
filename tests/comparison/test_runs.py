"""Finding runs: in sweeps, one by one, and what is said of those that came to nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.comparison.runs import find_runs
from polyscene.errors import ConfigError


def test_all_runs_of_a_sweep_in_the_order_of_their_numbers(sweep: Path, tmp_path: Path) -> None:
    found = find_runs([sweep])
    assert [run.folder.name for run in found.runs] == ["0", "1", "2", "3"]
    assert [run.config["seed"] for run in found.runs] == [0, 1, 0, 1]
    assert {run.own_method for run in found.runs} == {"joint"}
    assert not found.unfinished
    for name in ("2", "10", "9"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text("{}")
        (tmp_path / name / "resolved.yaml").write_text("seed: 0")
    assert [run.folder.name for run in find_runs([tmp_path]).runs] == ["2", "9", "10"]


def test_a_run_that_is_named_twice_counts_once(sweep: Path) -> None:
    assert [run.folder for run in find_runs([sweep / "0", sweep / "." / "0", sweep / "1"]).runs] == [
        sweep / "0",
        sweep / "1",
    ]


def test_what_came_to_nothing_is_named_with_its_reason(copied: Callable[[str, str], Path]) -> None:
    good = copied("0", "sweep/0")
    broken = good.parent / "1"
    broken.mkdir()
    (broken / "outcome.json").write_text(json.dumps({"error": "the disk is full\nmore"}))
    killed = good.parent / "2"
    killed.mkdir()
    (killed / "resolved.yaml").write_text("seed: 2")
    transferred = good.parent / "3"
    transferred.mkdir()
    (transferred / "resolved.yaml").write_text("seeds: [0]")
    (transferred / "transfer.json").write_text("{}")  # has a comparison of its own
    found = find_runs([good.parent])
    assert [run.folder for run in found.runs] == [good]
    assert len(found.unfinished) == 2
    assert found.unfinished[str(broken)] == "the disk is full\nmore"
    assert "not finished" in found.unfinished[str(killed)]


def test_places_without_runs_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as raised:
        find_runs([tmp_path / "empty", tmp_path / "gone"])
    assert re.search(r"empty: there is no finished run in it\n.*gone: no folder", str(raised.value))


def test_a_transfer_run_is_no_run_of_train(tmp_path: Path) -> None:
    (tmp_path / "resolved.yaml").write_text("seeds: [0]")
    (tmp_path / "transfer.json").write_text("{}")
    with pytest.raises(ConfigError, match="it is a run of polyscene transfer, compared in its own"):
        find_runs([tmp_path])
