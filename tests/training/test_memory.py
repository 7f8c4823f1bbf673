"""Freed memory stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import torch
from polyscene.training.memory import keep_freed_memory
torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def step():
    x = torch.empty(64 << 18).fill_(1.0)  # 64 MiB
for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory in its own way")
def test_the_same_tensors_cost_no_new_pages() -> None:
    faults = {
        mode: int(subprocess.check_output([sys.executable, "-c", STEPS, mode])) for mode in ("keep", "default")
    }
    assert faults["keep"] < 1_000
    assert faults["default"] > 10 * max(1, faults["keep"])
