"""A run that was stopped at any moment goes on and ends with the same numbers as one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polyscene.data.files import UNFINISHED
from polyscene.errors import CheckpointError, ConfigError
from polyscene.training import fit, step
from polyscene.training.files import read_tensors
from polyscene.training.run import train
from tests.tiny import THREE, tiny_config, tiny_host

MODEL = "checkpoints/joint/model.safetensors"
STATE = "checkpoints/joint/training.json"


class Stop(BaseException):
    """Stands for a kill: no handler of the code under test may catch it."""


def results(run: Path) -> list[dict[str, Any]]:
    return json.loads((run / "metrics.json").read_text())["results"]


def assert_same(run: Path, other: Path) -> None:
    assert (run / MODEL).read_bytes() == (other / MODEL).read_bytes()
    assert (run / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()
    assert results(run) == results(other)


def stop_in(monkeypatch: pytest.MonkeyPatch, name: str, at: int, after: bool) -> None:
    """Let the ``at``-th call of a function of the loop be the last thing that happens, done or not."""
    original, calls = getattr(fit, name), []

    def stopping(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == at and not after:
            raise Stop
        original(*arguments)
        if len(calls) == at:
            raise Stop

    monkeypatch.setattr(fit, name, stopping)


@pytest.mark.parametrize(
    "moment",
    [
        ("save_model", 1, False),  # before anything was written
        ("save_model", 2, True),  # the best model is newer than the state of training
        ("save_training", 2, False),
        ("save_training", 2, True),
        ("save_training", 4, True),  # after the last step, before the evaluation
    ],
)
def test_an_interrupted_run_ends_with_the_same_numbers(
    moment: tuple[str, int, bool], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(tmp_path / "run")
    with monkeypatch.context() as patch:
        stop_in(patch, *moment)
        with pytest.raises(Stop):
            train(config, tiny_host())
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert_same(train(config, tiny_host()), finished)


def test_a_killed_process_goes_on(finished: Path, tmp_path: Path, repository: Path) -> None:
    """SIGKILL in the middle of writing the state of training, in a process of its own."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(repository)!r})
from polyscene.training import files
from polyscene.training.run import train
from tests.tiny import tiny_config, tiny_host

calls = []

def save(tensors, path):
    calls.append(path)
    if len(calls) == 4:
        with open(path, "wb") as half:
            half.write(b"half a file")
        os.kill(os.getpid(), signal.SIGKILL)
    real(tensors, path)

real, files.save_file = files.save_file, save
train(tiny_config({str(tmp_path / "run")!r}), tiny_host())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    state = json.loads((tmp_path / "run" / STATE).read_text())
    assert 0 < state["step"] < 20
    read_tensors(tmp_path / "run" / MODEL)
    assert list((tmp_path / "run").rglob(UNFINISHED))
    assert_same(train(tiny_config(tmp_path / "run"), tiny_host()), finished)
    assert not list((tmp_path / "run").rglob(UNFINISHED))


def test_a_finished_run_repeated_trains_nothing_and_says_the_same(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in (finished / MODEL, finished / "metrics.jsonl")}
    rows = results(finished)

    def forbidden(*_: Any) -> None:
        raise AssertionError("a step was taken")

    monkeypatch.setattr(step, "step_losses", forbidden)
    train(tiny_config(finished), tiny_host())
    assert {path: path.read_bytes() for path in before} == before
    assert results(finished) == rows


def test_curve_lines_of_steps_that_are_taken_again_are_replaced(finished: Path) -> None:
    steps = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    keys = [(line["step"], line["scenario"], line["metric"]) for line in steps]
    assert len(keys) == len(set(keys))
    assert {step for step, _, _ in keys} == {5, 10, 15, 20}
    assert {scenario for _, scenario, _ in keys} == set(THREE)


def test_another_config_is_not_mixed_into_a_run(finished: Path) -> None:
    before = (finished / "resolved.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"another config[\s\S]*lr: 0.01[\s\S]*lr: 0.02"):
        train(tiny_config(finished, THREE, "trainer.lr=0.02"), tiny_host())
    assert (finished / "resolved.yaml").read_bytes() == before


def test_a_damaged_state_of_training_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(tmp_path / "run", ("facts",))
    with monkeypatch.context() as patch:
        stop_in(patch, "save_training", at=1, after=True)
        with pytest.raises(Stop):
            train(config, tiny_host())
    (state,) = (tmp_path / "run/checkpoints/joint").glob("training-*.safetensors")
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"training-5.safetensors: the file is damaged"):
        train(config, tiny_host())
