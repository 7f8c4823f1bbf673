"""The click task against numpy: cross-entropy, class weights and focusing."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from polyscene.registry.components import Registry
from polyscene.tasks.click import ClickConfig, ClickTask
from tests.tasks.small import Table, make_context, make_events, make_windows

N, D = 4, 4
# One click in four training rows; the test rows, all clicks, must not count.
EVENTS = make_events([0, 1, 2, 3], N, test=[0, 1], value=[1.0, 0.0, 0.0, 0.0, 1.0, 1.0])
RATE = (1 + 1) / (4 + 2)
X = torch.randn(N, D, generator=torch.Generator().manual_seed(0))
H = torch.randn(2, 2, D, generator=torch.Generator().manual_seed(1))
WINDOWS = make_windows([[0, 1], [3, 2]], value_BT=[[1.0, 0.0], [1.0, 0.0]])
LABEL = WINDOWS.value_BT.numpy()


def make_task(registry: Registry, **options: float) -> ClickTask:
    return ClickTask(ClickConfig(**options), make_context(EVENTS, registry))  # type: ignore[arg-type]


def probability() -> np.ndarray:
    paired = (H * X[WINDOWS.item_BT]).sum(-1).numpy() / 2
    return 1 / (1 + np.exp(-(paired + np.log(RATE / (1 - RATE)))))


def cross_entropy() -> np.ndarray:
    return -np.where(LABEL > 0, np.log(probability()), np.log(1 - probability()))


def test_it_starts_at_the_rate_of_training_rows(registry: Registry) -> None:
    task = make_task(registry)
    nothing = torch.zeros(1, D)
    assert torch.sigmoid(task.logits(nothing, nothing, torch.tensor([0]))).item() == pytest.approx(RATE)


def test_plain_cross_entropy(registry: Registry) -> None:
    loss = make_task(registry).loss(H, WINDOWS, Table(X)).detach()
    np.testing.assert_allclose(loss, cross_entropy(), rtol=1e-5)


def test_balanced_classes_weigh_one_over_twice_their_share(registry: Registry) -> None:
    loss = make_task(registry, balanced=True).loss(H, WINDOWS, Table(X)).detach()
    weight = np.where(LABEL > 0, 0.5 / RATE, 0.5 / (1 - RATE))
    np.testing.assert_allclose(loss, weight * cross_entropy(), rtol=1e-5)


def test_focusing(registry: Registry) -> None:
    """Lin et al., ICCV 2017, equation 4: ``-(1 - p_t)^gamma log p_t``."""
    loss = make_task(registry, focal_gamma=2.0).loss(H, WINDOWS, Table(X)).detach()
    true = np.where(LABEL > 0, probability(), 1 - probability())
    np.testing.assert_allclose(loss, -((1 - true) ** 2) * np.log(true), rtol=1e-4)


def test_rows_above_the_threshold_are_positives(registry: Registry) -> None:
    windows = make_windows([[0, 1], [3, 2]], value_BT=[[4.0, 3.0], [5.0, 1.0]])
    events = make_events([0, 1, 2, 3], N, value=[5.0, 3.0, 2.0, 1.0])
    task = ClickTask(ClickConfig(threshold=3.0), make_context(events, registry))
    np.testing.assert_allclose(task.loss(H, windows, Table(X)).detach(), cross_entropy(), rtol=1e-5)


def test_scores_are_logits(registry: Registry) -> None:
    task = make_task(registry)
    scores = torch.sigmoid(task.scores(H.flatten(0, 1), X, torch.arange(N), "all")).detach()
    found = scores[torch.arange(4), WINDOWS.item_BT.flatten()]
    np.testing.assert_allclose(found, probability().ravel(), rtol=1e-5)


def test_one_class_only_keeps_everything_finite(registry: Registry) -> None:
    for value in (0.0, 1.0):
        events = make_events([0, 1], N, value=[value, value])
        task = ClickTask(ClickConfig(balanced=True, focal_gamma=1.0), make_context(events, registry))
        loss = task.loss(H, WINDOWS, Table(X))
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert all(torch.isfinite(p.grad).all() for p in task.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["gelu", "relu"])
def test_units_of_the_network_are_those_asked_for(name: Literal["gelu", "relu"], registry: Registry) -> None:
    options = ClickConfig(head="mlp", history="none", hidden=8, dropout=0.0, activation=name)
    task = ClickTask(options, make_context(make_events([0, 1], 2, value=[1.0, 0.0]), registry))
    activation = {"gelu": torch.nn.functional.gelu, "relu": torch.relu}[name]
    hidden, last = (layer for layer in task.judge if isinstance(layer, torch.nn.Linear))
    pair_Md = torch.randn(5, hidden.in_features)
    torch.testing.assert_close(task.judge(pair_Md), last(activation(hidden(activation(pair_Md)))))
