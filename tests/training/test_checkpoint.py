"""Checkpoints: bit-equal round trips, and clear refusals that leave the old file whole."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from polyscene.errors import CheckpointError
from polyscene.training.checkpoint import (
    load_state,
    load_training,
    load_weights,
    save_model,
    save_training,
    unique_state,
)
from polyscene.training.files import read_json, read_tensors, write_json
from tests.tiny import FACTS, PEOPLE, SHOP, THREE, tiny_model


def optimized(model: nn.Module, steps: int) -> torch.optim.AdamW:
    """An optimizer that has taken steps, so that it has a state."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for step in range(steps):
        torch.manual_seed(step)
        loss = sum((parameter * torch.randn_like(parameter)).sum() for parameter in model.parameters())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return optimizer


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_a_round_trip_is_bit_equal(tmp_path: Path) -> None:
    one, other = tiny_model(seed=0)[0], tiny_model(seed=1)[0]
    before = {name: tensor.clone() for name, tensor in unique_state(one).items()}
    save_model(tmp_path, one, {"shop": {}})
    assert any(not torch.equal(before[name], tensor) for name, tensor in unique_state(other).items())
    load_weights(tmp_path / "model.safetensors", other)
    assert unique_state(other).keys() == before.keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in unique_state(other).items())


def test_shared_modules_are_kept_once() -> None:
    model = tiny_model((SHOP, PEOPLE))[0]
    state = unique_state(model)
    assert len({tensor.data_ptr() for tensor in state.values() if tensor.numel()}) == len(
        [tensor for tensor in state.values() if tensor.numel()]
    )


def test_optimizer_and_model_go_on_where_they_stopped(tmp_path: Path) -> None:
    whole = small_model()
    optimized(whole, 6)
    stopped = small_model()
    optimizer = optimized(stopped, 3)
    save_training(tmp_path, {"model": stopped}, optimizer, {"step": 3})
    restored = small_model()
    fresh = torch.optim.AdamW(restored.parameters(), lr=0.1, weight_decay=0.1)
    assert load_training(tmp_path, {"model": restored}, fresh) == {"step": 3}
    for step in range(3, 6):
        torch.manual_seed(step)
        sum((parameter * torch.randn_like(parameter)).sum() for parameter in restored.parameters()).backward()
        fresh.step()
        fresh.zero_grad()
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, restored.state_dict()[name]), name


def test_only_the_newest_state_of_training_is_kept(tmp_path: Path) -> None:
    model = small_model()
    for step in (1, 2):
        save_training(tmp_path, {"model": model}, optimized(model, 1), {"step": step})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training-2.safetensors", "training.json"]
    assert json.loads((tmp_path / "training.json").read_text())["step"] == 2


def test_training_that_has_not_begun(tmp_path: Path) -> None:
    model = small_model()
    assert load_training(tmp_path, {"model": model}, torch.optim.AdamW(model.parameters())) is None


def test_a_checkpoint_of_another_model_names_all_differences(tmp_path: Path) -> None:
    save_model(tmp_path, tiny_model(THREE)[0], {})
    with pytest.raises(CheckpointError) as caught:
        load_weights(tmp_path / "model.safetensors", tiny_model((SHOP, FACTS))[0])
    message = str(caught.value)
    assert str(tmp_path / "model.safetensors") in message
    assert "the checkpoint belongs to another model" in message
    assert "has shape" in message
    assert "people" in message
    assert "is not part of the model" in message
    assert "use the config and the data that the run was trained with" in message


def test_nothing_is_loaded_where_anything_differs() -> None:
    model = small_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = {name: tensor + 1 for name, tensor in before.items()}
    del state["2.bias"]
    state["3.bias"] = torch.zeros(2)
    with pytest.raises(CheckpointError, match=r"(?s)'2.bias' is missing.*'3.bias' is not part of the model"):
        load_state(state, model, where="here")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "absent"])
def test_damaged_files_are_named(damage: str, tmp_path: Path) -> None:
    save_model(tmp_path, small_model(), {"a": 1})
    tensors, facts = tmp_path / "model.safetensors", tmp_path / "model.json"
    whole = {path: path.read_bytes() for path in (tensors, facts)}
    for path, content in whole.items():
        damaged = {"cut": content[: len(content) // 2], "noise": b"\xff\x00" * 50, "empty": b""}
        path.unlink() if damage == "absent" else path.write_bytes(damaged[damage])
        with pytest.raises(CheckpointError) as caught:
            (read_tensors if path is tensors else read_json)(path)
        assert str(path) in str(caught.value)
        assert ("is missing" if damage == "absent" else "is damaged") in str(caught.value)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow past 1000 bytes, as if the disk were full; SIGXFSZ would kill the process otherwise.

    Lifted before the test ends, because pytest's own output may be a file as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


class TestFullDisk:
    """The old checkpoint stays whole, and nothing half-written stays beside it."""

    @pytest.fixture
    def old(self, tmp_path: Path) -> dict[str, bytes]:
        save_model(tmp_path, small_model(), {"a": 1})
        save_training(tmp_path, {"model": small_model()}, optimized(small_model(), 1), {"step": 1})
        return self.content(tmp_path)

    @staticmethod
    def content(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def test_model(self, old: dict[str, bytes], tmp_path: Path) -> None:
        with (
            full_disk(),
            pytest.raises(CheckpointError, match=r"model.safetensors: cannot write: .*nothing was left half"),
        ):
            save_model(tmp_path, nn.Linear(100, 100), {})
        assert self.content(tmp_path) == old

    def test_training(self, old: dict[str, bytes], tmp_path: Path) -> None:
        big = nn.Linear(100, 100)
        optimizer = optimized(big, 1)
        with full_disk(), pytest.raises(CheckpointError, match="cannot write"):
            save_training(tmp_path, {"model": big}, optimizer, {"step": 2})
        assert self.content(tmp_path) == old

    def test_json(self, old: dict[str, bytes], tmp_path: Path) -> None:
        with full_disk(), pytest.raises(CheckpointError, match="the file grows past the allowed size"):
            write_json(tmp_path / "model.json", {"long": "x" * 5000})
        assert self.content(tmp_path) == old
