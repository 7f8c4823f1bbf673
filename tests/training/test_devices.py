"""Fabric starts without what only its unused parts need."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from polyscene.config.schema import TrainerConfig
from polyscene.training.devices import launch_fabric

launch_fabric(TrainerConfig(accelerator="cpu"))
print([name for name in ("torchmetrics", "transformers") if name in sys.modules])
import torchmetrics.aggregation
"""


def test_torchmetrics_waits_until_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
