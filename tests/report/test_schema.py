"""metrics.json follows its published schema when it is written and when it is read."""

from __future__ import annotations

import copy
import errno
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from polyscene.errors import CheckpointError
from polyscene.report import read_metrics, write_metrics
from polyscene.report.schema import METRICS, TRANSFER, schema_of


@pytest.mark.parametrize("file", [METRICS, TRANSFER])
def test_the_schemas_are_valid_schemas(file: str) -> None:
    Draft202012Validator.check_schema(schema_of(file))


def test_round_trip(tmp_path: Path, metrics: dict[str, Any]) -> None:
    write_metrics(tmp_path, metrics)
    assert read_metrics(tmp_path) == metrics


@pytest.mark.parametrize("key", ["schema", "results", "seconds", "memory_mb", "parameters", "sources"])
def test_missing_parts_are_named(tmp_path: Path, metrics: dict[str, Any], key: str) -> None:
    del metrics[key]
    with pytest.raises(CheckpointError, match=f"'{key}' is a required property"):
        write_metrics(tmp_path, metrics)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), 2),
        (("seconds", "train"), -1),
        (("parameters", "adapters", "video"), 1.5),
        (("results", 0, "value"), "0.1"),
        (("results", 0, "value"), float("nan")),
        (("results", 0, "standard_error"), float("inf")),
        (("results", 0, "extra"), 1),
        (("sources", "video", "terms"), None),
        (("unknown",), 1),
    ],
)
def test_wrong_values_are_refused_and_the_old_file_stays(
    tmp_path: Path, metrics: dict[str, Any], place: tuple, value: object
) -> None:
    write_metrics(tmp_path, metrics)
    broken: Any = copy.deepcopy(metrics)
    inner = broken
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(CheckpointError, match="1 problem"):
        write_metrics(tmp_path, broken)
    assert read_metrics(tmp_path) == metrics
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_all_problems_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="6 problems"):
        write_metrics(tmp_path, {})


def test_a_run_without_metrics_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="name the directory of a run"):
        read_metrics(tmp_path)


def test_a_torn_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"schema": 1,')
    with pytest.raises(CheckpointError, match="not valid JSON"):
        read_metrics(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, metrics: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_metrics(tmp_path, metrics)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("polyscene.report.schema.json.dump", full)
    with pytest.raises(CheckpointError, match="the disk is full"):
        write_metrics(tmp_path, metrics | {"memory_mb": 1})
    monkeypatch.undo()
    assert read_metrics(tmp_path) == metrics
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
