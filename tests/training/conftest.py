"""One finished run of three scenarios, shared by the tests that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.training.run import train
from tests.tiny import tiny_config, tiny_host


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that was never interrupted."""
    return train(tiny_config(tmp_path_factory.mktemp("finished") / "run"), tiny_host())
