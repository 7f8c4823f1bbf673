"""The router by itself: probabilities, growth, what it never saw, its loss, and no waiting for the host."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.errors import ConfigError
from polyscene.routing import COMPONENTS, Router, check_worth_routing, mean_so_far
from polyscene.routing.recognition import Recognition, RecognitionConfig
from polyscene.testing.state import randomize, round_trip
from polyscene.testing.world import D_MODEL
from tests.invariants.small_world import default_build

SCENARIOS = 4
ROUTERS = [component for component in COMPONENTS if component.name != "none"]

every_router = pytest.mark.parametrize("component", ROUTERS, ids=lambda component: component.name)


def build(component, n_scenarios=SCENARIOS, *, trained=True) -> Router:
    torch.manual_seed(0)
    router = default_build(component, d_model=D_MODEL, n_scenarios=n_scenarios)
    if trained:
        randomize(router)
        router.seen_K.fill_(value=True)
    return router.eval()


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, D_MODEL, generator=torch.Generator().manual_seed(1))


def test_no_router_is_none():
    (none,) = (component for component in COMPONENTS if component.name == "none")
    assert default_build(none, d_model=D_MODEL, n_scenarios=SCENARIOS) is None


@every_router
def test_an_untrained_router_knows_nothing(component):
    p_NK = build(component, trained=False).probabilities(rows(7))
    torch.testing.assert_close(p_NK, torch.full((7, SCENARIOS), 1 / SCENARIOS))


@every_router
def test_probabilities_are_of_the_row_alone(component):
    router = build(component)
    p_NK = router.probabilities(rows(9))
    torch.testing.assert_close(p_NK.sum(dim=1), torch.ones(9))
    assert p_NK.std(dim=0).min() > 0
    torch.testing.assert_close(router.probabilities(rows(9)[[4]]), p_NK[[4]])


@every_router
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("n_rows", [1, 5, 300])
@pytest.mark.parametrize("known", [SCENARIOS, 7])  # a plain product rounds 7 and 8 columns differently
def test_growth_leaves_logits_and_probabilities_of_the_others_bit_equal(component, count, n_rows, known):
    router, x_Nd = build(component, known), rows(n_rows)
    logits_NK, p_NK = router(x_Nd), router.probabilities(x_Nd)
    router.grow(count)
    assert torch.equal(router(x_Nd)[:, :known], logits_NK)
    assert torch.equal(router.probabilities(x_Nd)[:, :known], p_NK)
    assert router.probabilities(x_Nd)[:, known:].count_nonzero() == 0, "recognized before it was seen"
    assert router.n_scenarios == known + count
    router.train().loss(x_Nd, known).sum().backward()
    assert all(p.grad is not None and p.grad.count_nonzero() > 0 for p in router.parameters())
    assert router.seen_K.tolist() == [True] * (known + 1) + [False] * (count - 1)


@every_router
def test_a_scenario_that_was_never_seen_is_never_recognized(component):
    router = build(component, trained=False).train()
    for scenario in (0, 2):
        router.loss(rows(3), scenario)
    assert router.seen_K.tolist() == [True, False, True, False]
    p_NK = router.eval().probabilities(rows(6))
    torch.testing.assert_close(p_NK, torch.tensor([[0.5, 0, 0.5, 0]]).expand(6, -1))
    router.loss(rows(3), 1)
    assert not router.seen_K[1], "seen while nothing was learned"


@every_router
def test_round_trip_is_bit_equal(component, tmp_path: Path):
    router, other = build(component), build(component, trained=False)
    round_trip(router, other, tmp_path / "router.safetensors")
    assert torch.equal(router.probabilities(rows(5)), other.probabilities(rows(5)))


@every_router
def test_the_loss_is_the_cross_entropy_of_the_label(component):
    router, x_BTd = build(component), rows(3, 5)
    expected = torch.nn.functional.cross_entropy(
        router(x_BTd.flatten(0, 1)), torch.full((15,), 2), reduction="none"
    ).view(3, 5)
    torch.testing.assert_close(router.loss(x_BTd, 2), expected)


@pytest.mark.parametrize("detach", [True, False])
def test_only_a_router_that_is_not_detached_bends_what_it_reads(detach):
    router = Recognition(RecognitionConfig(detach=detach, weight=0.5), D_MODEL, SCENARIOS)
    randomize(router)
    x_Nd = rows(4).requires_grad_()
    router.loss(x_Nd, 1).sum().backward()
    assert (x_Nd.grad is None) is detach
    weighted = router.bias_K.grad
    router.zero_grad()
    router.config.weight = 1.0
    router.loss(x_Nd, 1).sum().backward()
    torch.testing.assert_close(weighted, 0.5 * router.bias_K.grad)


@pytest.mark.parametrize("mode", ["hard", "soft"])
def test_hard_is_the_likeliest_scenario_and_soft_the_mixture(mode):
    router = Recognition(RecognitionConfig(mode=mode), D_MODEL, SCENARIOS)
    p_NK = torch.tensor([[0.1, 0.6, 0.3, 0.0], [0.4, 0.2, 0.2, 0.2]])
    hard, soft = router.routing(p_NK, "hard"), router.routing(p_NK, "soft")
    assert hard.index_N.tolist() == [1, 0]
    assert hard.weights_NK is None
    assert torch.equal(soft.weights_NK, p_NK)
    own = router.routing(p_NK, "router")
    assert (own.index_N is None) is (mode == "soft")


def test_means_of_what_came_before_each_step():
    x_BTd = torch.tensor([[[2.0], [4.0], [9.0]], [[1.0], [5.0], [7.0]]])
    valid_BT = torch.tensor([[True, True, True], [True, False, False]])
    mean_BTd = mean_so_far(x_BTd, valid_BT)
    torch.testing.assert_close(mean_BTd[..., 0], torch.tensor([[0.0, 2.0, 3.0, 5.0], [0.0, 1.0, 1.0, 1.0]]))


@every_router
def test_a_step_waits_for_nothing(component):
    router = default_build(component, d_model=D_MODEL, n_scenarios=SCENARIOS).to("meta").train()
    x_BTd, valid_BT = torch.randn(4, 6, D_MODEL, device="meta"), torch.ones(4, 6, dtype=torch.bool, device="meta")
    with FakeTensorMode(allow_non_fake_inputs=True):
        loss = router.loss(mean_so_far(x_BTd, valid_BT), 2).mean()
        loss.backward()
        for route in ("hard", "soft", "router"):
            router.routing(router.probabilities(x_BTd[:, 0]), route)
    assert loss.device.type == "meta"


def test_wrong_options_are_told_at_once():
    with pytest.raises(ConfigError, match=r"2 problems[\s\S]*hidden is 0[\s\S]*weight is 0"):
        RecognitionConfig(hidden=0, weight=0.0)


@pytest.mark.parametrize("models", [[], [("film",)], [("film",), ("shop",)]])
def test_one_scenario_is_nothing_to_tell_apart(models):
    with pytest.raises(ConfigError, match="no model of this run learns more than one"):
        check_worth_routing("recognition", models)
    check_worth_routing("none", models)
    check_worth_routing("recognition", [*models, ("film", "shop")])
