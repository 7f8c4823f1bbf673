"""Scenarios with adapters of different kinds in one batch: each as if it were alone with its own kind."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.adapters import Routing
from polyscene.adapters.assorted import AssortedBank, build_bank
from polyscene.adapters.bottleneck import Bottleneck
from polyscene.config.choice import chosen
from polyscene.registry.host import load_host
from polyscene.testing.state import randomize, round_trip
from polyscene.training.held import HeldSlices

D = 8
HOST = load_host(no_plugins=True)
GATE, WIDE, NARROW, CLUSTERS = (
    chosen("adapter", value, HOST)
    for value in ("gate", "bottleneck", {"name": "bottleneck", "rank": 2}, {"name": "adaptdhm", "clusters": 2})
)
CHOICES = [GATE, WIDE, GATE, NARROW, WIDE]
K = len(CHOICES)
# Neighbors of one bank, a bank's rows apart from each other, one scenario twice and one not at all.
COUNTS = [(0, 3), (2, 40), (1, 2), (0, 5), (4, 50)]


def make(choices=CHOICES, default=GATE, *, trained=True) -> AssortedBank:
    torch.manual_seed(0)
    bank = build_bank(choices, default, D)
    assert isinstance(bank, AssortedBank)
    if trained:
        randomize(bank)
    return bank.eval()


def rows(count, seed=0):
    return torch.randn(count, D, generator=torch.Generator().manual_seed(seed))


def routings(counts, n_scenarios=K):
    by_segments = Routing.of_segments(counts, "cpu")
    one_hot = nn.functional.one_hot(by_segments.index_N, n_scenarios).float()
    return {
        "segments": by_segments,
        "index": Routing(index_N=by_segments.index_N),
        "weights": Routing(weights_NK=one_hot),
    }


every_way = pytest.mark.parametrize("way", ["segments", "index", "weights"])


@every_way
def test_a_row_gets_what_its_scenario_gives_alone(way):
    bank, h_Nd = make(), rows(100)
    out_Nd, start = bank(h_Nd, routings(COUNTS)[way]), 0
    for scenario, count in COUNTS:
        [(own, place)] = [(b, of.index(scenario)) for b, of in bank.uniform() if scenario in of]
        alone = own(h_Nd[start : start + count], Routing(index_N=torch.full((count,), place)))
        torch.testing.assert_close(out_Nd[start : start + count], alone, rtol=1e-5, atol=1e-5)
        start += count


@every_way
def test_other_scenarios_get_a_gradient_of_exactly_zero(way):
    bank, counts = make(), [(k, 4) for k in range(K)]
    for k in range(K):
        loss = bank(rows(4 * K), routings(counts)[way])[4 * k : 4 * k + 4].square().sum()
        bank.zero_grad()
        loss.backward()
        for own, scenarios in bank.uniform():
            for parameter_K in own.scenario_parameters().values():
                gradient_K = torch.zeros_like(parameter_K) if parameter_K.grad is None else parameter_K.grad
                moved = [scenario for row, scenario in enumerate(scenarios) if gradient_K[row].count_nonzero()]
                assert moved == ([k] if k in scenarios else [])


def test_the_users_own_vectors_follow_their_rows():
    class Personal(Bottleneck):
        def forward(self, h_Nd, routing):
            return h_Nd + routing.personal_Nd

    bank, personal_Nd = make(), rows(100, seed=1)
    for number, (own, scenarios) in enumerate(bank.uniform()):
        bank.banks[number] = Personal(WIDE.options, own.d_model, len(scenarios))
    for routing in routings(COUNTS).values():
        given = Routing(routing.index_N, routing.weights_NK, routing.segments, personal_Nd)
        torch.testing.assert_close(bank(rows(100), given), rows(100) + personal_Nd)


def test_starts_as_identity_and_comes_back_from_a_file(tmp_path):
    fresh, h_Nd = make(trained=False), rows(100)
    for routing in routings(COUNTS).values():
        assert torch.equal(fresh(h_Nd, routing), h_Nd)
    bank = make()
    round_trip(bank, fresh, tmp_path / "bank.safetensors")
    assert torch.equal(fresh(h_Nd, routings(COUNTS)["index"]), bank(h_Nd, routings(COUNTS)["index"]))


@pytest.mark.parametrize("way", ["segments", "index"])
@pytest.mark.parametrize("default", [GATE, CLUSTERS], ids=["known", "new"])
def test_growth_adds_the_default_and_leaves_the_others_bit_equal(way, default):
    bank, h_Nd, routing = make(default=default), rows(100), routings(COUNTS)[way]
    before = bank(h_Nd, routing)
    bank.grow(2)
    assert torch.equal(bank(h_Nd, routing), before)
    assert bank.n_scenarios == K + 2
    assert bank.parameters_per_scenario(K + 1) == (D if default is GATE else 0)
    new = routings([(K, 5), (K + 1, 5)], K + 2)[way]
    assert torch.equal(bank(rows(5).repeat(2, 1), new), rows(5).repeat(2, 1))


def test_parameters_are_counted_per_scenario():
    assert [make().parameters_per_scenario(k) for k in range(K)] == [D, 32 * D, D, 4 * D, 32 * D]


def test_soft_weights_mix_parameters_within_a_kind_and_outputs_between_kinds():
    bank, h_Nd = make(), rows(3)
    gates, wides, narrow = (own for own, _ in bank.uniform())
    weights_NK = torch.tensor([0.1, 0.2, 0.3, 0.0, 0.4]).expand(3, -1)
    mixed = (
        0.4 * gates(h_Nd, Routing(weights_NK=torch.tensor([[0.25, 0.75]]).expand(3, -1)))
        + 0.6 * wides(h_Nd, Routing(weights_NK=torch.tensor([[1 / 3, 2 / 3]]).expand(3, -1)))
        + 0.0 * narrow(h_Nd, Routing(index_N=torch.zeros(3, dtype=torch.int64)))
    )
    torch.testing.assert_close(bank(h_Nd, Routing(weights_NK=weights_NK)), mixed)
    weights_NK = weights_NK.clone().requires_grad_()
    bank(h_Nd, Routing(weights_NK=weights_NK)).square().sum().backward()
    assert weights_NK.grad.isfinite().all()


def test_in_training_a_bank_counts_its_own_rows_only():
    bank = make([GATE, CLUSTERS, CLUSTERS], GATE, trained=False).train()
    alone = make([GATE, CLUSTERS, CLUSTERS], GATE, trained=False).train().uniform()[1][0]
    h_Nd = rows(30)
    bank(h_Nd, Routing.of_segments([(1, 10), (0, 10), (2, 10)], "cpu"))
    alone(torch.cat([h_Nd[:10], h_Nd[20:]]), Routing.of_segments([(0, 10), (1, 10)], "cpu"))
    moved = dict(bank.uniform()[1][0].named_buffers())["center_Jd"]
    assert torch.equal(moved, dict(alone.named_buffers())["center_Jd"])


@every_way
def test_a_step_waits_for_nothing(way):
    bank = make([GATE, WIDE, CLUSTERS, NARROW, WIDE], trained=False).train().to("meta")
    given = routings(COUNTS)[way]
    moved = [None if tensor is None else tensor.to("meta") for tensor in (given.index_N, given.weights_NK)]
    with FakeTensorMode(allow_non_fake_inputs=True):
        bank(torch.randn(100, D, device="meta"), Routing(*moved, given.segments)).square().sum().backward()


def test_equal_choices_need_no_wrapper():
    assert type(build_bank([WIDE, WIDE], GATE, D)) is Bottleneck


def test_scenarios_that_are_held_keep_their_rows():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.names = [f"s{k}" for k in range(K)]
            self.index = {name: k for k, name in enumerate(self.names)}
            self.device, self.user_bank = torch.device("cpu"), make()

    model = Model()
    held = HeldSlices(model, ["s0", "s4"])
    before = {name: value.clone() for name, value in model.user_bank.named_parameters()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    held.put_back()
    for number, (own, scenarios) in enumerate(model.user_bank.uniform()):
        for name, parameter_K in own.scenario_parameters().items():
            for row, scenario in enumerate(scenarios):
                same = torch.equal(parameter_K[row], before[f"banks.{number}.{name}"][row])
                assert same == (scenario not in (0, 4))
