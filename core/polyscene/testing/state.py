"""What suites do with modules: give them trained values, save and load them, and compare what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

DEVICE = "meta"


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter that can be trained random values, as if it had been."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filter(lambda p: p.requires_grad, module.parameters()):
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))


def round_trip(module: nn.Module, into: nn.Module, path: Path) -> None:
    """Save ``module`` as safetensors and load it into another one of the same make."""
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    into.load_state_dict(load_file(path))


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of everything that a checkpoint would hold."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_unmoved(before: dict[str, Tensor], module: nn.Module, why: str) -> None:
    """Whether a module still holds what :func:`snapshot` saw."""
    after = module.state_dict()
    assert before.keys() == after.keys(), f"the names of its state changed: {why}"
    moved = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert not moved, f"{', '.join(moved)} changed: {why}"


def assert_same(actual: Any, expected: Any, why: str, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Whether tensors agree up to rounding; ``why`` says what it means if they do not."""
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol, msg=lambda found: f"{why}\n{found}")


def step_without_values(module: nn.Module, *inputs: Any, **options: Any) -> None:
    """A forward and a backward pass in training mode on tensors of another device that have no values.

    ``.item()``, ``.tolist()``, an ``if`` that depends on values and a tensor that stayed on the host all raise:
    each of them would make every training step on an accelerator wait.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        loss = module.train()(*inputs, **options).square().sum()
        if loss.requires_grad:
            loss.backward()
    assert loss.device.type == DEVICE, f"the result is on {loss.device}, and its inputs were elsewhere"
