"""The link task by hand: which drawn items are negatives, and what they cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.registry.components import Registry
from polyscene.tasks.link import LinkConfig, LinkTask
from polyscene.tasks.popularity import item_share
from tests.tasks.small import Table, make_context, make_events, make_windows

N, D = 5, 4
EVENTS = make_events([0, 1, 1, 2, 3, 3, 3], N)
X = torch.randn(N, D, generator=torch.Generator().manual_seed(0))
H = torch.randn(2, 2, D, generator=torch.Generator().manual_seed(1))
# Row 0 is linked to 0 and 1, row 1 to 2; the padded step of row 1 repeats item 4, which nobody links to.
WINDOWS = make_windows([[0, 1], [2, 4]], valid_BT=[[True, True], [True, False]])


def make_task(registry: Registry, **options: object) -> LinkTask:
    return LinkTask(LinkConfig(**options), make_context(EVENTS, registry))  # type: ignore[arg-type]


def drawing(monkeypatch: pytest.MonkeyPatch, steps: list[int]) -> None:
    """Let the next draw take these steps of the flat windows."""
    monkeypatch.setattr(torch, "multinomial", lambda *_, **__: torch.tensor(steps))


def expected_scores() -> np.ndarray:
    share = item_share(EVENTS, [Phase.TRAIN]).numpy()
    linked = share > share.min()  # nobody links to the last: one imagined row each
    return H.numpy() @ X.numpy().T / 2 + np.where(linked, np.log(share) - np.log(share)[linked].mean(), 0)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def test_infonce_by_hand(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, [0, 1, 2, 2])  # items 0, 1, 2, 2: two of each row's own are no negatives
    loss = make_task(registry, negatives=4).loss(H, WINDOWS, Table(X)).detach().numpy()
    score, share = expected_scores(), item_share(EVENTS, [Phase.TRAIN]).numpy()
    corrected = score - np.log(4 * share)
    for t, item in enumerate((0, 1)):
        partition = np.exp(score[0, t, item]) + 2 * np.exp(corrected[0, t, 2])
        assert loss[0, t] == pytest.approx(np.log(partition) - score[0, t, item], rel=1e-5)
    partition = np.exp(score[1, 0, 2]) + np.exp(corrected[1, 0, 0]) + np.exp(corrected[1, 0, 1])
    assert loss[1, 0] == pytest.approx(np.log(partition) - score[1, 0, 2], rel=1e-5)


def test_bce_by_hand(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, [0, 1, 2, 2])
    loss = make_task(registry, negatives=4, objective="bce").loss(H, WINDOWS, Table(X)).detach().numpy()
    score = expected_scores()
    assert loss[0, 1] == pytest.approx(softplus(-score[0, 1, 1]) + softplus(score[0, 1, 2]), rel=1e-5)
    negatives = (softplus(score[1, 0, 0]) + softplus(score[1, 0, 1])) / 2
    assert loss[1, 0] == pytest.approx(softplus(-score[1, 0, 2]) + negatives, rel=1e-5)


@pytest.mark.parametrize("objective", ["infonce", "bce"])
def test_where_all_that_was_drawn_is_linked_the_loss_is_finite(
    objective: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing(monkeypatch, [0, 1, 0, 1])
    task = make_task(registry, negatives=4, objective=objective)
    loss = task.loss(H, WINDOWS, Table(X))
    loss.sum().backward()
    score = expected_scores()
    expected = 0.0 if objective == "infonce" else softplus(-score[0, 0, 0])
    assert loss[0, 0].item() == pytest.approx(expected, abs=1e-6)
    assert torch.isfinite(task.activity.weight.grad).all()  # type: ignore[arg-type]


def test_padded_steps_are_never_negatives(registry: Registry) -> None:
    """Item 4 stands at a padded step only, so its vector gets no gradient, however many negatives are drawn."""
    task, x = make_task(registry, negatives=5000), X.clone().requires_grad_()
    torch.manual_seed(0)
    task.loss(H, WINDOWS, Table(x))[WINDOWS.valid_BT].sum().backward()
    assert x.grad is not None
    assert (x.grad[4] == 0.0).all()
    assert (x.grad[0] != 0.0).any()


def test_negatives_come_in_proportion_to_valid_steps(registry: Registry) -> None:
    """The correction by log q expects that: a scenario's links, each as often as it is in the batch."""
    torch.manual_seed(0)
    drawn = torch.multinomial(WINDOWS.valid_BT.flatten().float(), 30_000, replacement=True)
    assert torch.bincount(drawn, minlength=4).tolist() == pytest.approx([10_000, 10_000, 10_000, 0], abs=300)


def test_without_activity_bias(registry: Registry) -> None:
    task = make_task(registry, activity_bias=False)
    assert task.activity.all().tolist() == [0.0] * N
    assert not task.activity.weight.requires_grad


def test_scores(registry: Registry) -> None:
    ours = make_task(registry).scores(H[:, 0], X[[3, 1]], torch.tensor([3, 1]), "all").detach()
    np.testing.assert_allclose(ours, expected_scores()[:, 0][:, [3, 1]], rtol=1e-5)
