"""Processes send each other what training changes and no rows of tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn

from polyscene.training.processes import Processes


class Counting(nn.Module):
    """A parameter that is used, one that is not, a count and rows of a table."""

    rows_N: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
        self.register_buffer("rows_N", torch.arange(3), persistent=False)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x_2: Tensor) -> Tensor:
        return (self.used * x_2).sum()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("alone")
def test_only_what_training_changes_is_sent() -> None:
    strategy, module = Processes(), Counting()
    strategy.parallel_devices = [torch.device("cpu")]
    wrapped = strategy.setup_module(module)
    assert [tensor is module.count for tensor in wrapped.modules_buffers] == [True]
    for _ in range(2):  # the second time the gradient lies where it was sent from
        wrapped(torch.tensor([1.0, 2.0])).backward()
        assert module.used.grad is not None
        assert module.used.grad.tolist() == [1.0, 2.0]
        wrapped.zero_grad(set_to_none=True)
