"""Loggers: TensorBoard's own reader finds what was logged; without TensorBoard the message says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from polyscene.errors import ConfigError
from polyscene.training.loggers import COMPONENTS, Logger, TensorBoardConfig


def build(name: str, run: Path, config: TensorBoardConfig | None = None) -> Logger:
    [component] = [component for component in COMPONENTS if component.name == name]
    return component.build(config or (component.config() if component.config else None), run=run)


def test_tensorboard_reads_back_what_was_logged(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = build("tensorboard", tmp_path)
    logger.log(1, {"video/loss": 2.5, "lr": 1e-3})
    logger.log(2, {"video/loss": 1.25})
    logger.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("video/loss")] == [(1, 2.5), (2, 1.25)]
    assert [event.step for event in events.Scalars("lr")] == [1]


def test_without_tensorboard_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"\.\[tensorboard\]"):
        build("tensorboard", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["..", "/tmp/elsewhere", "a/../../b"])
def test_event_files_stay_inside_the_run(tmp_path: Path, folder: str) -> None:
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match="outside the run directory"):
        build("tensorboard", run, TensorBoardConfig(folder=folder))


def test_none_records_nothing(tmp_path: Path) -> None:
    logger = build("none", tmp_path)
    logger.log(1, {"loss": 1.0})
    logger.close()
    assert list(tmp_path.iterdir()) == []
