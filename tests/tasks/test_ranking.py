"""The ranking task: scores and losses by hand, the sampled loss against the full one, the popularity bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.errors import ConfigError
from polyscene.registry.components import Registry
from polyscene.tasks.popularity import item_share
from polyscene.tasks.ranking import RankingConfig, RankingTask
from tests.tasks.small import Table, make_context, make_events, make_windows

N, D = 6, 4
_DAY = 86_400


@pytest.fixture
def x_Nd() -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def h_BTd() -> torch.Tensor:
    return torch.randn(2, 3, D, generator=torch.Generator().manual_seed(1))


WINDOWS = make_windows([[0, 3, 5], [2, 2, 1]])


TRAIN = [0, 0, 0, 1, 1, 2, 3, 5]
SHARE = np.array([4, 3, 2, 2, 1, 2]) / 14  # training rows only, one imagined row for each item
NEW = np.arange(N) == 4
BIAS = np.where(NEW, 0, np.log(SHARE) - np.log(SHARE)[~NEW].mean())  # a new item starts at a middling bias


def make_task(registry: Registry, **options: object) -> RankingTask:
    events = make_events(TRAIN, N, test=[4] * 20)
    return RankingTask(RankingConfig(**options), make_context(events, registry))  # type: ignore[arg-type]


def test_scores_and_full_loss(registry: Registry, x_Nd: torch.Tensor, h_BTd: torch.Tensor) -> None:
    task = make_task(registry)
    scores = h_BTd.numpy() @ x_Nd.numpy().T / 8 + BIAS  # a quarter of 1 / sqrt(d)
    with torch.no_grad():
        ours = task.scores(h_BTd[:, 0], x_Nd[[4, 1]], torch.tensor([4, 1]), "all")
        loss = task.loss(h_BTd, WINDOWS, Table(x_Nd))
    np.testing.assert_allclose(ours.numpy(), scores[:, 0][:, [4, 1]], rtol=1e-5, atol=1e-6)
    positive = np.take_along_axis(scores, WINDOWS.item_BT.numpy()[..., None], axis=-1)[..., 0]
    partition = np.log(np.exp(scores[..., ~NEW]).sum(-1))  # what training never saw is no candidate
    np.testing.assert_allclose(loss.numpy(), partition - positive, rtol=1e-5, atol=1e-6)


def test_the_sampled_partition_is_right_on_average(
    registry: Registry, x_Nd: torch.Tensor, h_BTd: torch.Tensor
) -> None:
    """``exp(loss)``, partition over positive, is an unbiased estimate, and many candidates come close."""
    full = make_task(registry).loss(h_BTd, WINDOWS, Table(x_Nd)).detach()
    few = make_task(registry, full_softmax_items=1, candidates=8)
    torch.manual_seed(0)
    with torch.no_grad():
        mean = torch.stack([few.loss(h_BTd, WINDOWS, Table(x_Nd)).exp() for _ in range(4000)]).mean(dim=0)
    torch.testing.assert_close(mean, full.exp(), rtol=0.05, atol=0.0)
    many = make_task(registry, full_softmax_items=1, candidates=200_000)
    torch.testing.assert_close(many.loss(h_BTd, WINDOWS, Table(x_Nd)).detach(), full, rtol=0.02, atol=0.01)


def test_no_candidate_is_the_positive_itself(registry: Registry, x_Nd: torch.Tensor) -> None:
    """With one item in the catalogue every candidate is the positive, and nothing is left to lose against."""
    events = make_events([0, 0], 1)
    config = RankingConfig(full_softmax_items=0, candidates=16)
    task = RankingTask(config, make_context(events, registry))
    loss = task.loss(torch.ones(1, 2, D), make_windows([[0, 0]]), Table(x_Nd[:1]))
    assert loss.tolist() == [[0.0, 0.0]]


def test_bpr_over_the_whole_catalogue(registry: Registry, x_Nd: torch.Tensor, h_BTd: torch.Tensor) -> None:
    task = make_task(registry, loss="bpr", popularity_bias=False)
    scores = h_BTd.numpy() @ x_Nd.numpy().T / 8
    expected = np.zeros((2, 3))
    for b, t in np.ndindex(2, 3):
        positive = WINDOWS.item_BT[b, t].item()
        pairs = [
            math.log1p(math.exp(scores[b, t, j] - scores[b, t, positive]))
            for j in range(N)
            if j not in (positive, 4)
        ]
        expected[b, t] = np.mean(pairs)
    np.testing.assert_allclose(task.loss(h_BTd, WINDOWS, Table(x_Nd)).detach().numpy(), expected, rtol=1e-5)


def test_an_unknown_loss_is_named_with_the_place(registry: Registry) -> None:
    with pytest.raises(ConfigError, match=r"test: loss[\s\S]*did you mean 'softmax'"):
        make_task(registry, loss="softmx")


def test_the_bias_starts_at_the_log_share_of_training_rows(registry: Registry) -> None:
    np.testing.assert_allclose(make_task(registry).popularity.all().detach(), BIAS, rtol=1e-5)
    without = make_task(registry, popularity_bias=False).popularity
    assert without.all().tolist() == [0.0] * N
    assert not without.weight.requires_grad


def test_hidden_items_lose_their_popularity(registry: Registry, x_Nd: torch.Tensor, h_BTd: torch.Tensor) -> None:
    """Scores under content dropout are those of new items, in the loss as at serving, and teach their bias."""
    task, catalogue = make_task(registry), Table(x_Nd)
    catalogue.hidden_N = torch.tensor([True, False, False, True, False, False])
    bias = np.where(catalogue.hidden_N.numpy() | NEW, 0, BIAS)
    np.testing.assert_allclose(task.popularity.all(catalogue.hidden_N).detach(), bias, rtol=1e-5)
    scores = h_BTd.numpy() @ x_Nd.numpy().T / 8 + bias
    positive = np.take_along_axis(scores, WINDOWS.item_BT.numpy()[..., None], axis=-1)[..., 0]
    loss = task.loss(h_BTd, WINDOWS, catalogue)
    expected = np.log(np.exp(scores[..., ~NEW]).sum(-1)) - positive
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    loss.sum().backward()
    assert task.popularity.unseen.grad != 0


def test_the_lift_is_added_to_the_scores_of_new_items_and_not_to_the_loss(
    registry: Registry, x_Nd: torch.Tensor, h_BTd: torch.Tensor
) -> None:
    task, items_N, catalogue = make_task(registry), torch.arange(N), Table(x_Nd)
    before, loss = task.scores(h_BTd[:, 0], x_Nd, items_N, "all"), task.loss(h_BTd, WINDOWS, catalogue)
    task.lift.fill_(1.5)
    lifted = task.scores(h_BTd[:, 0], x_Nd, items_N, "all") - before
    np.testing.assert_allclose(lifted.detach(), np.broadcast_to(1.5 * NEW, lifted.shape), atol=1e-6)
    assert torch.equal(task.loss(h_BTd, WINDOWS, catalogue), loss)


def test_what_nobody_has_had_is_lifted_until_somebody_has(registry: Registry) -> None:
    events = make_events(TRAIN, N, test=[4] * 20)  # no training row holds item 4
    task = RankingTask(RankingConfig(), make_context(events, registry))
    task.lift.fill_(-2.0)
    h_Bd, x_Nd = torch.zeros(1, D), torch.zeros(N, D)
    for phases, lift in (([Phase.TRAIN], -2.0), ([Phase.TRAIN, Phase.TEST], 0.0)):
        task.observe(events, phases)
        expected_N = task.popularity.all() + torch.where(torch.arange(N) == 4, lift, 0.0)
        torch.testing.assert_close(task.scores(h_Bd, x_Nd, torch.arange(N), "all")[0], expected_N)
    task.receive(N + 2)
    assert task.trained_N.tolist() == [True, True, True, True, False, True, False, False]


def test_no_candidate_is_new(registry: Registry) -> None:
    task = make_task(registry)
    assert task.sampling_N[4] == 0
    assert (task.sampling_N[~torch.from_numpy(NEW)] > 0).all()
    assert task.sampling_N.sum().item() == pytest.approx(1)


def test_what_is_observed_later_is_counted_and_candidates_stay(registry: Registry) -> None:
    events = make_events(TRAIN, N, test=[4] * 20)
    task = RankingTask(RankingConfig(), make_context(events, registry))
    before = task.sampling_N.clone()
    task.observe(events, [Phase.TRAIN, Phase.TEST])
    share = np.array([4, 3, 2, 2, 21, 2]) / 34
    np.testing.assert_allclose(task.popularity.all().detach(), np.log(share) - np.log(share).mean(), rtol=1e-5)
    assert torch.equal(task.sampling_N, before)


def test_with_a_half_life_older_rows_count_less() -> None:
    events = make_events([0, 0, 1, 2], 4, test=[3], time=[0, _DAY, 2 * _DAY, 4 * _DAY, 100 * _DAY])
    share = item_share(events, [Phase.TRAIN], half_life_days=2.0)
    weight = np.array([0.5**2 + 0.5**1.5, 0.5, 1.0, 0.0]) + 1
    np.testing.assert_allclose(share, weight / weight.sum(), rtol=1e-6)


def test_the_share_of_no_rows_is_even() -> None:
    assert item_share(make_events([], 4, test=[1]), [Phase.TRAIN]).tolist() == [0.25] * 4
    assert item_share(make_events([], 4, test=[1]), [Phase.TRAIN], half_life_days=1.0).tolist() == [0.25] * 4
