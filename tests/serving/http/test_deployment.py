"""The deployment folder: versions, promotion, rolling back, the audit log and damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polyscene.errors import CheckpointError, ServingError
from polyscene.serving.audit import append_line, read_lines
from polyscene.serving.deployment import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "deployment")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", b"weights")


def write_run(folder: Path, weights: bytes) -> Path:
    files = {
        "resolved.yaml": b"seed: 0",
        "fingerprint.json": b"{}",
        "report.html": b"large",
        "split/video.safetensors": b"split",
        "checkpoints/joint/model.safetensors": weights,
        "checkpoints/joint/training-4.safetensors": b"moments",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_version_is_the_run_by_its_content(deployment: Deployment, run: Path, tmp_path: Path) -> None:
    version = deployment.adopt(run, by="test")
    assert deployment.adopt(run, by="test") == version
    other = deployment.adopt(write_run(tmp_path / "again" / "run", b"other"), by="test")
    assert other != version
    assert deployment.versions() == sorted([version, other])
    kept = deployment.path_of(version)
    assert sorted(path.name for path in kept.rglob("*") if path.is_file()) == [
        "fingerprint.json",
        "model.safetensors",
        "resolved.yaml",
        "video.safetensors",
    ]
    assert [entry["action"] for entry in deployment.audit.entries()] == ["adopt", "adopt"]


def test_a_version_outlives_its_run(deployment: Deployment, run: Path) -> None:
    version = deployment.adopt(run, by="test")
    (run / "checkpoints/joint/model.safetensors").unlink()
    kept = deployment.path_of(version) / "checkpoints/joint/model.safetensors"
    assert kept.read_bytes() == b"weights"


def test_promoting_and_rolling_back(deployment: Deployment, tmp_path: Path) -> None:
    one, two, three = (
        deployment.adopt(write_run(tmp_path / name, name.encode()), by="test") for name in ("one", "two", "three")
    )
    assert deployment.promoted() is None
    with pytest.raises(ServingError, match="no version served before"):
        deployment.roll_back(by="test")
    for version in (one, two, two, three):
        deployment.promote(version, by="ann", why="better")
    promoted = deployment.promoted()
    assert promoted is not None
    assert (promoted.version, promoted.before) == (three, (one, two))
    assert deployment.roll_back(by="bob").version == two
    assert deployment.roll_back(by="bob").version == one
    decided = [(entry["action"], entry["by"], entry["version"]) for entry in deployment.audit.entries()[3:]]
    assert decided == [
        ("promote", "ann", one),
        ("promote", "ann", two),
        ("promote", "ann", three),
        ("roll back", "bob", two),
        ("roll back", "bob", one),
    ]


@pytest.mark.parametrize("name", ["../run", "/etc", "", ".hidden", "nothing", "a\0b"])
def test_only_versions_have_paths(deployment: Deployment, run: Path, name: str) -> None:
    deployment.adopt(run, by="test")
    with pytest.raises(ServingError, match="there is no version"):
        deployment.promote(name, by="test")
    assert deployment.promoted() is None


@pytest.mark.parametrize("text", ["{", "[]", '{"version": "x"}'])
def test_a_damaged_promotion_says_what_to_do(deployment: Deployment, text: str) -> None:
    (deployment.folder / "promoted.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"promoted.json: the file is damaged"):
        deployment.promoted()


def test_lines_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_line(path, {"a": 1})
    length = append_line(path, {"a": "ü" * 5000})
    with path.open("ab") as file:
        file.write(b'{"a": 3')  # a crash in the middle of a line
    assert [entry["a"] for _, entry in read_lines(path)] == [1, "ü" * 5000]
    end = append_line(path, {"a": 4})
    assert list(read_lines(path, length)) == [(end, {"a": 4})]
    assert [json.loads(line)["a"] for line in path.read_text().splitlines()] == [1, "ü" * 5000, 4]
    path.write_bytes(b"x" * 9000)
    append_line(path, 5)
    assert [entry for _, entry in read_lines(path)] == [5]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text("1\n{\n")
    with pytest.raises(CheckpointError, match=r"ends at byte 4 is damaged"):
        list(read_lines(tmp_path / "lines.jsonl"))
