"""Two processes train one model: equal weights at every moment, one run directory, every value written once.

And they take the steps of balancers that one process takes with the rows of both.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from polyscene.training.files import read_tensors
from tests.once import Once
from tests.training.balancers_two_devices import BALANCERS, NAMES, balancer_of, batch_of, state_of
from tests.training.balancing import silent_step, step_gradients

pytestmark = pytest.mark.slow
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.fixture(scope="module")
def started(once: Once) -> tuple[Path, str]:
    """What both processes wrote and said; started by torchrun (tests/end_to_end lets Fabric start the second)."""

    def start(folder: Path) -> None:
        command = [*TORCHRUN, str(Path(__file__).with_name("two_devices.py")), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        (folder / "said.txt").write_text(done.stdout)

    folder = once("two_devices", start)
    return folder, (folder / "said.txt").read_text()


def test_two_processes(started: tuple[Path, str]) -> None:
    folder, said = started
    first, second = (json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert len(first["weights"]) == 2 * 4  # two validations of the joint and of three single models
    assert first == second
    assert len(set(first["weights"])) == len(first["weights"])
    (run,) = (folder / "runs").iterdir()
    assert str(run) == first["run"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(Counter((line["step"], line["scenario"], line["metric"]) for line in lines).values()) == {1}
    assert said.count("shop: GENERATED") == 1
    assert said.count("Report: ") == 1
    methods = {row["method"] for row in json.loads((run / "metrics.json").read_text())["results"]}
    assert methods == {"joint", "single", "popularity", "mean_rating"}
    read_tensors(run / "checkpoints/joint/model.safetensors")


@pytest.mark.parametrize("name", BALANCERS)
def test_two_processes_balance_as_one(name: str, started: tuple[Path, str]) -> None:
    first, second = (read_tensors(started[0] / f"{name}-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    for key, tensor in first.items():
        assert torch.equal(tensor.nan_to_num(), second[key].nan_to_num()), key
    step, sampler = silent_step(NAMES, "adapter=star", accumulate=2)
    one = balancer_of(name)
    both = step_gradients(one, step, [batch_of(sampler, 0), batch_of(sampler, 1)])
    both |= {key: tensor for key, tensor in state_of(one).items() if key.endswith(".grad")}
    for key, gradient in both.items():
        torch.testing.assert_close(first[key], gradient, rtol=1e-4, atol=1e-6, msg=lambda m, k=key: f"{k}: {m}")
    if name == "dwa":  # the mean of both processes, over those that hold a scenario
        losses = [step.losses(batch_of(sampler, rank)) for rank in (0, 1)]
        means = [torch.stack([found[key] for found in losses if key in found]).mean().item() for key in NAMES]
        assert first["balancer.newer_K"].tolist() == pytest.approx(means, rel=1e-5)
