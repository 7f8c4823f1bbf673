"""A small sweep of real runs: two adapters, two seeds, two scenarios."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.comparison.gather import compare
from polyscene.comparison.runs import Run, find_runs
from polyscene.comparison.table import Comparison
from polyscene.training.run import train
from tests.tiny import LIKES, SHOP, tiny_config, tiny_host

FEW = ("trainer.steps=4", "trainer.eval_every=2")


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a multirun leaves it; counts are measured with the first seed only."""
    folder = tmp_path_factory.mktemp("sweep")
    for number, (adapter, seed) in enumerate((a, s) for a in ("none", "gate") for s in (0, 1)):
        controls = "controls=[popularity]" if seed == 0 else "controls=[]"
        given = (*FEW, f"adapter={adapter}", f"seed={seed}", controls)
        train(tiny_config(folder / str(number), (SHOP, LIKES), *given), tiny_host())
    return folder


@pytest.fixture(scope="session")
def runs(sweep: Path) -> list[Run]:
    return find_runs([sweep]).runs


@pytest.fixture(scope="session")
def comparison(runs: list[Run]) -> Comparison:
    return compare(runs)


@pytest.fixture
def copied(sweep: Path, tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of a job under another name, to be changed."""

    def copy(job: str, name: str) -> Path:
        return Path(shutil.copytree(sweep / job, tmp_path / name))

    return copy
