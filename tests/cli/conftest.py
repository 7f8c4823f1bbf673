"""Runs ``polyscene`` as a user does: as a process of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
