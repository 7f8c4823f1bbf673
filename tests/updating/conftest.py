"""A short run of the tiny scenarios, and a deployment of it for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.serving.deployment import Deployment
from polyscene.training.run import train
from tests.tiny import ALL, tiny_config, tiny_host


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all tiny scenarios."""
    folder = tmp_path_factory.mktemp("updating") / "run"
    return train(tiny_config(folder, ALL, "trainer.steps=60", "trainer.eval_every=20", "controls=[]"), tiny_host())


@pytest.fixture
def deployment(trained: Path, tmp_path: Path) -> Deployment:
    """A deployment that serves the run."""
    made = Deployment(tmp_path / "deployment")
    made.promote(made.adopt(trained, by="test"), by="test")
    return made
