"""``polyscene train trainer.devices=2`` starts its second process by itself; a multirun says how to do it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from polyscene.registry.host import ALLOW_VARIABLE
from tests.end_to_end.conftest import Said
from tests.end_to_end.test_bad_input import FEW

TWO = ("trainer.devices=2", "trainer.accelerator=cpu")


def test_one_run(site: Path, good_files: Path, work: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "polyscene.cli.app", "train", "scenario=podcast"),
            *(f"scenario.podcast.folder={good_files}", *FEW, *TWO),
        ],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(site), ALLOW_VARIABLE: "podcast"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = (work / "runs").iterdir()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == len({line["metric"] for line in lines}), "each value once"
    assert done.stdout.count("Report: ") == 1


def test_a_multirun(polyscene: Callable[..., Said], good_files: Path) -> None:
    folder = f"scenario.podcast.folder={good_files}"
    said = polyscene("train", "-m", "scenario=podcast", folder, "seed=0,1", *FEW, *TWO)
    assert said.code == 2
    assert "trainer.devices: a multirun cannot start the processes of 2 devices by itself" in said.err
    assert "torchrun --nproc-per-node=2" in said.err
