"""The console script: installed, quick to answer, and free of heavy imports until they are needed."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "pandas", "scipy", "lightning_fabric")
SECONDS = 2.0


def test_the_console_script_is_installed() -> None:
    [script] = entry_points(group="console_scripts", name="polyscene")
    assert script.value == "polyscene.cli.app:main"
    assert callable(script.load())


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom polyscene.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, *arguments]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in output


def test_help_answers_within_two_seconds(tmp_path: Path) -> None:
    """The best of three, since other work on the machine can only add to the time."""
    command = [sys.executable, "-m", "polyscene.cli.app", "--help"]
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    assert min(taken) < SECONDS
