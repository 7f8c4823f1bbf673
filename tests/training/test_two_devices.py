"""Two processes train one model: equal weights at every moment, one run directory, every value written once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from polyscene.training.files import read_tensors

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def test_two_processes(tmp_path: Path) -> None:
    """Started by torchrun; tests/end_to_end lets Fabric start the second one."""
    script = Path(__file__).with_name("two_devices.py")
    command = [*TORCHRUN, str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert len(first["weights"]) == 2 * 4  # two validations of the joint and of three single models
    assert first == second
    assert len(set(first["weights"])) == len(first["weights"])
    (run,) = (tmp_path / "runs").iterdir()
    assert str(run) == first["run"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(Counter((line["step"], line["scenario"], line["metric"]) for line in lines).values()) == {1}
    assert done.stdout.count("shop: GENERATED") == 1
    assert done.stdout.count("Report: ") == 1
    methods = {row["method"] for row in json.loads((run / "metrics.json").read_text())["results"]}
    assert methods == {"joint", "single", "popularity", "mean_rating"}
    read_tensors(run / "checkpoints/joint/model.safetensors")
