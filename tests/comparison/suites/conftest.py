"""Suites of generated scenarios, whose commands run in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyscene.comparison.suites.config import SuiteConfig
from polyscene.comparison.suites.files import read_suite
from polyscene.config.adapt import prepare_adapt
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.transfer import prepare_transfer
from polyscene.errors import PolysceneError
from polyscene.evaluation.transfer.run import transfer
from polyscene.training.adapt.run import adapt
from polyscene.training.run import train
from tests.tiny import SMALL, tiny_host

SUITE = {
    "title": "Two adapters on a shop and what is liked in it",
    "scenarios": {"pair": ["shop", "likes"]},
    "methods": {"none": ["adapter=none"], "gate": ["adapter=gate"]},
    "seeds": [0, 1],
    "controls": [],
    "overrides": ["experiment=none", *SMALL, "trainer.steps=2", "trainer.eval_every=1"],
}


@pytest.fixture
def suite_file(tmp_path: Path) -> Any:
    """``suite_file(key=value)`` writes a suite with some keys changed and returns its path."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({**SUITE, **changes}, sort_keys=False))
        return path

    return write


@pytest.fixture
def suite(suite_file: Any) -> Any:
    """``suite(key=value)`` is such a suite, read."""

    def read(**changes: Any) -> SuiteConfig:
        return read_suite(str(suite_file(**changes)), tiny_host())

    return read


class InThisProcess:
    """Runs commands here, remembers them, and fails where it is told to."""

    def __init__(self, failing: str = "", stopping: str = "") -> None:
        self.failing, self.stopping = failing, stopping
        self.ran: list[str] = []

    def __call__(self, words: Sequence[str], log: Path) -> str:
        self.ran.append(log.stem)
        if self.stopping and self.stopping in log.stem:
            raise KeyboardInterrupt
        if self.failing and self.failing in log.stem:
            return "trainer: the loss is not a number\nlower trainer.lr"
        command, given = words[0], list(words[1:])
        host = tiny_host()
        try:
            if command == "train":
                train(resolve_train(compose("train", given, host), host), host)
            elif command == "adapt":
                adapt(prepare_adapt(given, host), host)
            else:
                transfer(prepare_transfer(given, host), host)
        except PolysceneError as error:
            return str(error)
        return ""
