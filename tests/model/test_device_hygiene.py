"""A whole training step of every task waits for nothing: it runs on fake tensors of another device.

A fake tensor has no values: ``.item()``, an ``if`` on data and a tensor that stayed on the host all raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.data.sampling import WindowSampler
from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.training.balancers import MeanBalancer
from polyscene.training.fit import task_weights
from polyscene.training.loading import Loaded
from polyscene.training.optimizer import build_optimizer
from polyscene.training.step import step_losses
from tests.tiny import ADS, ALL, FACTS, LIKES, PEOPLE, SHOP, tiny_model

DEVICE = "meta"
TASKS = {  # each task in a scenario, and the option of its config that makes it sample
    SHOP: ("ranking", "full_softmax_items"),
    PEOPLE: ("link", ""),
    LIKES: ("ranking", ""),
    FACTS: ("triple", "full_softmax_entities"),
    ADS: ("click", ""),
}


def fake(windows: Windows) -> Windows:
    """The same shapes on the fake device."""
    moved = {
        field.name: value.to(DEVICE) if isinstance(value := getattr(windows, field.name), Tensor) else value
        for field in fields(windows)
    }
    moved["columns"] = {name: column.to(DEVICE) for name, column in windows.columns.items()}
    return Windows(**moved)


def draw(loaded: Loaded, model: PolysceneModel) -> dict[str, Windows]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: WindowSampler(one.events, 4 if model.main_task(name).from_history else 1).draw(12, generator)
        for name, one in loaded.scenarios.items()
    }


def step(model: PolysceneModel, batch: Mapping[str, Windows], weights: Mapping[str, Mapping[str, float]]) -> None:
    losses = step_losses(model, batch, weights)
    MeanBalancer(None, list(batch))(losses).backward()


PARTS = [
    *(("gate", sequence) for sequence in ("mean", "attention", "causal_transformer", "gru")),
    *((adapter, "causal_transformer") for adapter in ("none", "id_feature", "bottleneck")),
]


@pytest.mark.parametrize(("adapter", "sequence"), PARTS)
def test_a_step_of_all_tasks(adapter: str, sequence: str) -> None:
    model, loaded, config = tiny_model(ALL, f"adapter={adapter}", f"sequence={sequence}")
    batch = {name: fake(windows) for name, windows in draw(loaded, model).items()}
    model.to(DEVICE).train()
    optimizer = build_optimizer(model, config.trainer)
    with FakeTensorMode(allow_non_fake_inputs=True):
        step(model, batch, task_weights(loaded.scenarios))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=False)
    assert optimizer.param_groups
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


@pytest.mark.parametrize("name", [name for name, (_, sampled) in TASKS.items() if sampled])
def test_a_step_with_sampled_candidates_and_a_large_catalogue(name: str) -> None:
    model, loaded, _ = tiny_model((name,))
    task, option = TASKS[name]
    setattr(model.tasks_of(name)[task].config, option, 1)
    model.whole_catalogue_items = 1
    batch = {name: fake(windows) for name, windows in draw(loaded, model).items()}
    with FakeTensorMode(allow_non_fake_inputs=True):
        step(model.to(DEVICE).train(), batch, task_weights(loaded.scenarios))


@pytest.mark.parametrize("ordered", [True, False], ids=["ordered", "unordered"])
def test_drawing_a_batch(ordered: bool) -> None:
    loaded = tiny_model((SHOP, LIKES))[1]
    events = loaded.scenarios[SHOP if ordered else LIKES].events
    sampler = WindowSampler(events, 5)
    for name, value in vars(sampler).items():
        if isinstance(value, Tensor):
            setattr(sampler, name, value.to(DEVICE))
    sampler.events = events.to(DEVICE)
    # Fake tensors know no generator of their own; the draw itself needs none of its values.
    random = torch.Generator()
    with FakeTensorMode(allow_non_fake_inputs=True):
        windows = sampler.draw(8, random)
    assert windows.item_BT.device.type == DEVICE
    assert windows.item_BT.shape == (8, 5)


def test_the_check_itself_sees_a_step_that_waits() -> None:
    model, loaded, _ = tiny_model((SHOP,))
    batch = {name: fake(windows) for name, windows in draw(loaded, model).items()}
    task = model.main_task(SHOP)
    original = task.loss
    task.loss = lambda h, windows, catalogue: original(h, windows, catalogue) * float(h.detach().sum())  # type: ignore[method-assign]
    with (
        pytest.raises(Exception, match=r"_local_scalar_dense|data-dependent|item"),
        FakeTensorMode(allow_non_fake_inputs=True),
    ):
        step(model.to(DEVICE).train(), batch, task_weights(loaded.scenarios))
