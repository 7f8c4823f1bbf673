"""Values of single requests on file: what was measured, in the order of the requests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from polyscene.errors import CheckpointError
from polyscene.evaluation.metrics import summarize
from polyscene.evaluation.per_request import FILE, PerRequest, read_per_request

PLACE = ("video-young", "all", "warm", "joint")


def measured(**values_B: torch.Tensor) -> Any:
    """What one method got in one place; words of the rest are enough."""
    scenario, view, population, method = PLACE
    return SimpleNamespace(
        subject=SimpleNamespace(name=scenario),
        view=SimpleNamespace(name=view),
        population=SimpleNamespace(name=population),
        method=method,
        summaries={name.replace("_at_", "@"): summarize(value_B) for name, value_B in values_B.items()},
    )


def test_values_come_back_as_they_were_with_gaps(tmp_path: Path) -> None:
    kept = PerRequest()
    values = torch.tensor([0.5, float("nan"), 0.25], dtype=torch.float64)
    kept.add(measured(ndcg_at_10=values, coverage_at_10=values, mrr=values * 2))
    kept.write(tmp_path)
    found = read_per_request(tmp_path)
    assert set(found) == {(*PLACE, "ndcg@10"), (*PLACE, "mrr")}
    np.testing.assert_array_equal(found[*PLACE, "ndcg@10"], np.array([0.5, np.nan, 0.25], dtype=np.float32))


def test_a_run_that_ranks_nothing_leaves_no_file(tmp_path: Path) -> None:
    PerRequest().write(tmp_path)
    assert not (tmp_path / FILE).exists()
    assert read_per_request(tmp_path) == {}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=r"requests.safetensors: the file is damaged"):
        read_per_request(tmp_path)
