"""Padded steps change neither losses nor gradients, whatever stands in them: a property of every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.registry.components import Registry
from polyscene.tasks import COMPONENTS
from polyscene.tasks.task import Task
from polyscene.training.step import step_losses
from tests.tasks.small import Table, make_context, make_events, make_windows

N, D = 7, 4
EVENTS = make_events(
    [0, 1, 2, 3],
    N,
    value=[1.0, 0.0, 3.0, 5.0],
    columns={"relation": torch.tensor([0, 1, 0, 1], dtype=torch.int32)},
)
VALID = [[True, True, False], [True, False, False]]
OPTIONS = [
    *(("ranking", {}), ("ranking", {"loss": "bpr"}), ("ranking", {"full_softmax_items": 1, "candidates": 32})),
    *(("link", {}), ("link", {"objective": "bce"}), ("rating", {}), ("click", {"balanced": True})),
    *(("triple", {}), ("triple", {"full_softmax_entities": 1, "candidates": 32})),
]
READING = {"cross", "bi_encoder", "kg_bert"}


def windows(padding: int) -> Windows:
    """Two windows whose padded steps hold other rows each time."""
    value = float(padding)
    made = make_windows(
        [[0, 1, padding], [2, padding, padding]],
        valid_BT=VALID,
        value_BT=[[1.0, 0.0, value], [5.0, value, value]],
        columns={"relation": torch.tensor([[0, 1, 1], [1, 0, 0]], dtype=torch.int32)},
    )
    return replace(made, time_BT=torch.full_like(made.item_BT, padding))


def gradients(task: Task, states: Tensor, items: Tensor, padding: int, noise: float) -> list[Tensor]:
    """The loss and its gradients with this item and this much noise at padded steps."""
    h_BTd = (states + noise * ~torch.tensor(VALID).unsqueeze(-1)).requires_grad_()
    x_Nd = items.clone().requires_grad_()
    batch = {"a": windows(padding)}

    class Model(nn.Module):
        def forward(self, batch: Mapping[str, Windows]) -> dict[str, dict[str, Tensor]]:
            return {"a": {"t": task.loss(h_BTd, batch["a"], Table(x_Nd))}}

    torch.manual_seed(1)
    task.zero_grad()
    loss = step_losses(Model(), batch, {"a": {"t": 1.0}})["a"]
    loss.backward()
    assert h_BTd.grad is not None
    assert x_Nd.grad is not None
    of_task = [p.grad.clone() for p in task.parameters() if p.grad is not None]
    return [loss.detach(), h_BTd.grad, x_Nd.grad, *of_task]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=[f"{name}-{options}" for name, options in OPTIONS])
def test_padded_steps_do_not_matter(name: str, options: dict[str, object], registry: Registry) -> None:
    (component,) = (one for one in COMPONENTS if (one.kind, one.name) == ("task", name))
    assert component.config is not None
    torch.manual_seed(0)
    task = component.build(component.config(**options), context=make_context(EVENTS, registry, D))
    states, items = torch.randn(2, 3, D), torch.randn(N, D)
    results = [gradients(task, states, items, padding, noise) for padding, noise in ((2, 0.0), (6, 1e6))]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert torch.isfinite(results[0][0])
    assert (results[0][1][~torch.tensor(VALID)] == 0).all()


def test_all_tasks_are_covered() -> None:
    """Those that read texts need a backbone, and judge windows of one row, which have no padding."""
    tasks = {one.name for one in COMPONENTS if one.kind == "task"}
    assert {name for name, _ in OPTIONS} == tasks - READING
