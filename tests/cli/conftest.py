"""Runs ``polyscene`` as a user does: as a process of its own, in an empty folder; or without real training."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyscene.errors import DataError
from polyscene.registry.host import ALLOW_VARIABLE
from polyscene.training.files import write_json
from polyscene.training.folder import write_fingerprint

Finished = subprocess.CompletedProcess[str]


@pytest.fixture
def polyscene(tmp_path: Path) -> Callable[..., Finished]:
    """``polyscene(*arguments, site=folder, environment={...})`` runs a command; none may leave a traceback."""

    def run(*arguments: str, site: Path | None = None, environment: dict[str, str] | None = None) -> Finished:
        variables = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **(environment or {})}
        if site is not None:
            variables["PYTHONPATH"] = str(site)
        done = subprocess.run(
            [sys.executable, "-m", "polyscene.cli.app", *arguments],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for training: keeps the configs, and fails where the seed is 1 (by mistake) or 2 (by a fault).

    A run leaves what says that it is finished, with a validation score that is the better the nearer its learning
    rate is to 0.003. Where the last entry is a text, somebody presses Ctrl-C.
    """
    configs: list[Any] = []

    def train(config: Any, host: Any) -> Path:
        if configs and isinstance(configs[-1], str):
            configs.clear()
            raise KeyboardInterrupt
        configs.append(config)
        if config.seed == 1:
            raise DataError("the data is lost", where="video", fix="look for it")
        if config.seed == 2:
            raise ZeroDivisionError("a fault of ours")
        folder = Path(config.run.dir)
        if config.run.dir:
            write_fingerprint(folder, config, {})
            state = {"best": -abs(config.trainer.lr - 0.003), "scores": {"video": 0.0}}
            write_json(folder / "checkpoints" / "joint" / "training.json", state)
            write_json(folder / "metrics.json", {})
        return folder

    module = types.ModuleType("polyscene.training.run")
    module.train = train
    monkeypatch.setitem(sys.modules, "polyscene.training.run", module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return configs
