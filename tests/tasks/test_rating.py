"""The rating task against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.registry.components import Registry
from polyscene.tasks.rating import RatingConfig, RatingTask
from tests.tasks.small import Table, make_context, make_events, make_windows

N, D = 4, 4
TRAIN = [5.0, 3.0, 1.0, 4.0]
EVENTS = make_events([0, 1, 2, 3], N, test=[0, 1], value=[*TRAIN, 1.0, 1.0])
X = torch.randn(N, D, generator=torch.Generator().manual_seed(0))
H = torch.randn(2, 2, D, generator=torch.Generator().manual_seed(1))
WINDOWS = make_windows([[0, 1], [3, 2]], value_BT=[[5.0, 2.0], [1.0, 3.5]])
MEAN, STD = np.mean(TRAIN), np.std(TRAIN, ddof=1)


def make_task(registry: Registry, loss: str = "mse") -> RatingTask:
    return RatingTask(RatingConfig(loss=loss), make_context(EVENTS, registry))  # type: ignore[arg-type]


@pytest.fixture
def trained(registry: Registry) -> RatingTask:
    """A task whose weights are not where they start."""
    task = make_task(registry)
    with torch.no_grad():
        task.bilinear.weight.normal_(generator=torch.Generator().manual_seed(2))
        task.bias_N.normal_(generator=torch.Generator().manual_seed(3))
    return task


def expected_standardized(task: RatingTask) -> np.ndarray:
    """``[B, T]`` by a loop."""
    weight, bias = task.bilinear.weight.detach().numpy(), task.bias_N.detach().numpy()
    found = np.zeros((2, 2))
    for b, t in np.ndindex(2, 2):
        item = int(WINDOWS.item_BT[b, t])
        found[b, t] = X[item].numpy() @ weight @ H[b, t].numpy() / 2 + bias[item]
    return found


def test_it_starts_at_the_mean_of_training_ratings(registry: Registry) -> None:
    task = make_task(registry)
    predicted = task.predict(H[:, 0], X[:2], torch.tensor([0, 1]))
    np.testing.assert_allclose(predicted.detach(), [MEAN, MEAN], rtol=1e-6)
    assert task.std.item() == pytest.approx(STD)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_losses_on_standardized_ratings(name: str, trained: RatingTask) -> None:
    trained.config.loss = name  # type: ignore[assignment]
    error = expected_standardized(trained) - (WINDOWS.value_BT.numpy() - MEAN) / STD
    size = np.abs(error)
    expected = {"mse": error**2, "mae": size, "huber": np.where(size < 1, 0.5 * error**2, size - 0.5)}[name]
    np.testing.assert_allclose(trained.loss(H, WINDOWS, Table(X)).detach(), expected, rtol=1e-4)


def test_predictions_are_in_the_units_of_the_data(trained: RatingTask) -> None:
    expected = MEAN + STD * expected_standardized(trained)
    item = WINDOWS.item_BT.flatten()
    predicted = trained.predict(H.flatten(0, 1), X[item], item)
    np.testing.assert_allclose(predicted.detach(), expected.ravel(), rtol=1e-4)
    scores = trained.scores(H.flatten(0, 1), X, torch.arange(N), "all")
    np.testing.assert_allclose(scores[torch.arange(4), item].detach(), expected.ravel(), rtol=1e-4)


def test_equal_ratings_do_not_divide_by_zero(registry: Registry) -> None:
    for train in ([0, 1], [0], []):
        events = make_events(train, N, test=[1], value=[3.0] * (len(train) + 1))
        loss = RatingTask(RatingConfig(), make_context(events, registry)).loss(H, WINDOWS, Table(X))
        assert torch.isfinite(loss).all()
