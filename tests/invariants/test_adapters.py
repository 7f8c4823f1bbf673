"""What must hold for every adapter: exact routing, independence, no state, growth, identity, size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.adapters import COMPONENTS, AdapterBank, Routing
from polyscene.adapters.gate import Gate, GateConfig
from tests.invariants.small_world import D_MODEL, default_build, randomize, round_trip

SCENARIOS = 4
BACKBONE_PARAMETERS = 22_700_000

every_adapter = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)


def build(component, n_scenarios=SCENARIOS, *, trained=True) -> AdapterBank:
    torch.manual_seed(0)
    bank = default_build(component, d_model=D_MODEL, n_scenarios=n_scenarios)
    if trained:
        randomize(bank)
    return bank.eval()


def rows(count, seed=0):
    return torch.randn(count, D_MODEL, generator=torch.Generator().manual_seed(seed))


def routings(counts, dtype=torch.float32):
    """The same routing of sorted rows said in four ways."""
    by_segments = Routing.of_segments(counts, "cpu")
    assert by_segments.index_N is not None
    one_hot = torch.nn.functional.one_hot(by_segments.index_N, SCENARIOS).to(dtype)
    return {
        "index": Routing(index_N=by_segments.index_N),
        "segments": by_segments,
        # As many scenarios in a batch are: many short segments.
        "pieces": Routing.of_segments([(k, piece) for k, n in counts for piece in cut(n)], "cpu"),
        "weights": Routing(weights_NK=one_hot),
    }


def cut(count):
    """Pieces of up to seven rows."""
    return [min(7, count - start) for start in range(0, count, 7)]


# Small and large segments, a scenario left out, one that comes twice.
counts = st.lists(st.tuples(st.integers(0, SCENARIOS - 1), st.sampled_from([1, 3, 80])), min_size=1, max_size=4)


@every_adapter
@given(counts=counts)
@settings(max_examples=6, deadline=None)
def test_index_segments_and_one_hot_weights_are_the_same_routing(component, counts):
    bank, h_Nd = build(component).double(), rows(sum(count for _, count in counts)).double()
    outputs = {way: bank(h_Nd, routing) for way, routing in routings(counts, torch.float64).items()}
    for way in ("segments", "pieces", "weights"):
        torch.testing.assert_close(outputs[way], outputs["index"], rtol=1e-10, atol=1e-12)


@every_adapter
@pytest.mark.parametrize("way", ["index", "segments", "pieces", "weights"])
@pytest.mark.parametrize("rows_each", [2, 70])
def test_other_scenarios_get_a_gradient_of_exactly_zero(component, way, rows_each):
    bank = build(component)
    parameters = bank.scenario_parameters()
    routing = routings([(k, rows_each) for k in range(SCENARIOS)])[way]
    for k in range(SCENARIOS):
        out_Nd = bank(rows(rows_each * SCENARIOS), routing)
        loss = out_Nd[k * rows_each : (k + 1) * rows_each].square().sum()
        gradients = torch.autograd.grad(loss, list(parameters.values())) if parameters else ()
        for name, gradient_K in zip(parameters, gradients, strict=True):
            others = torch.arange(SCENARIOS) != k
            assert gradient_K[others].count_nonzero() == 0, name
            assert gradient_K[k].count_nonzero() > 0, f"{name} of scenario {k} does nothing"


@every_adapter
def test_a_row_does_not_depend_on_the_other_rows(component):
    bank, index_N = build(component).double(), torch.arange(200) % SCENARIOS
    h_Nd = rows(200).double()
    together = bank(h_Nd, Routing(index_N=index_N))
    for chosen in (torch.tensor([7]), torch.tensor([150, 3, 4]), torch.arange(60, 120)):
        alone = bank(h_Nd[chosen], Routing(index_N=index_N[chosen]))
        torch.testing.assert_close(alone, together[chosen], rtol=1e-10, atol=1e-12)


@every_adapter
def test_eval_moves_no_state_and_is_repeatable(component):
    bank, routing = build(component), Routing(index_N=torch.arange(9) % SCENARIOS)
    before = {name: value.clone() for name, value in bank.state_dict().items()}
    first, second = bank(rows(9), routing), bank(rows(9), routing)
    assert torch.equal(first, second)
    after = bank.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@every_adapter
def test_round_trip_is_bit_equal(component, tmp_path):
    bank, other, routing = build(component), build(component, trained=False), Routing(index_N=torch.arange(9) % 4)
    round_trip(bank, other, tmp_path / "bank.safetensors")
    assert torch.equal(bank(rows(9), routing), other(rows(9), routing))


@every_adapter
@pytest.mark.parametrize("way", ["index", "segments", "pieces"])
@pytest.mark.parametrize("rows_each", [2, 70])
def test_growth_leaves_the_others_bit_equal(component, way, rows_each):
    bank, routing = build(component), routings([(k, rows_each) for k in range(SCENARIOS)])[way]
    h_Nd = rows(rows_each * SCENARIOS)
    before = bank(h_Nd, routing)
    bank.grow(2)
    assert torch.equal(bank(h_Nd, routing), before)
    assert bank.n_scenarios == SCENARIOS + 2
    fresh = [bank(rows(5), Routing(index_N=torch.full((5,), SCENARIOS + new))) for new in range(2)]
    torch.testing.assert_close(fresh[0], fresh[1], rtol=0, atol=0, msg="a new scenario is not the shared function")
    assert all(parameter.requires_grad for parameter in bank.scenario_parameters().values())


@every_adapter
def test_starts_as_one_function_for_all_scenarios(component):
    bank = build(component, trained=False)
    for routing in routings([(k, 70) for k in range(SCENARIOS)]).values():
        out_KNd = bank(rows(70).repeat(SCENARIOS, 1), routing).view(SCENARIOS, 70, D_MODEL)
        torch.testing.assert_close(out_KNd, out_KNd[:1].expand_as(out_KNd), rtol=1e-5, atol=1e-6)
        assert torch.equal(out_KNd[0], rows(70)) == bank.starts_as_identity


@every_adapter
def test_shared_and_own_parameters_are_all_there_is(component):
    bank = build(component)
    own, shared, named = bank.scenario_parameters(), bank.shared_parameters(), dict(bank.named_parameters())
    assert own.keys() | shared.keys() == named.keys()
    assert not own.keys() & shared.keys()
    assert all(buffer.shape[0] == SCENARIOS for buffer in bank.scenario_buffers().values())


@every_adapter
def test_rows_of_every_scenario_reach_what_is_shared(component):
    bank = build(component)
    shared, joint = bank.shared_parameters(), bank.joint_parameters()
    assert joint.keys() <= shared.keys()
    for k in range(SCENARIOS):
        routing = Routing(index_N=torch.full((200,), k), personal_Nd=rows(200, seed=1))
        loss = bank(rows(200), routing).square().sum()
        gradients = torch.autograd.grad(loss, list(shared.values())) if shared else ()
        for name, gradient in zip(shared, gradients, strict=True):
            assert gradient.count_nonzero() > 0, f"rows of scenario {k} do not reach {name}"
            if name in joint:
                assert gradient.flatten(1).count_nonzero(1).all(), f"{name} is not joint"


@every_adapter
def test_scenarios_are_told_apart_unless_the_kind_says_that_it_ignores_them(component):
    bank = build(component)
    first, second = (bank(rows(9), Routing(index_N=torch.full((9,), k))) for k in (0, 1))
    assert torch.equal(first, second) == bank.ignores_scenario
    assert not (bank.ignores_scenario and bank.scenario_parameters())


@every_adapter
def test_rows_that_only_fill_a_batch_up_count_for_nothing(component):
    alone, filled = build(component).train(), build(component).train()
    index_N = torch.arange(40) % SCENARIOS
    expected = alone(rows(40), Routing(index_N=index_N))
    wild = torch.cat([rows(40), 100 * rows(12, seed=1)])
    routing = Routing(torch.cat([index_N, index_N[:12]]), real_N=torch.arange(52) < 40)
    torch.testing.assert_close(filled(wild, routing)[:40], expected, rtol=1e-4, atol=1e-5)
    alone.settle()
    filled.settle()
    other = filled.state_dict()
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-5, msg=name)


@every_adapter
def test_a_step_of_training_leaves_a_state_that_a_checkpoint_holds(component, tmp_path):
    bank, other = build(component).train(), build(component, trained=False)
    for step in range(3):
        bank(rows(40, seed=step), Routing(index_N=torch.arange(40) % SCENARIOS))
        bank.settle()
    bank.eval()
    round_trip(bank, other, tmp_path / "bank.safetensors")
    routing = Routing(index_N=torch.arange(9) % SCENARIOS)
    assert torch.equal(bank(rows(9), routing), other(rows(9), routing))


def test_gelu_gate_starts_as_one_shared_function():
    bank = Gate(GateConfig("gelu"), D_MODEL, SCENARIOS)
    outputs = [bank(rows(5), Routing(index_N=torch.full((5,), k))) for k in range(SCENARIOS)]
    assert all(torch.equal(output, torch.nn.functional.gelu(rows(5))) for output in outputs)


@every_adapter
def test_own_parameters_are_stacked_and_counted(component):
    bank = build(component)
    named = dict(bank.named_parameters())
    for name, parameter in bank.scenario_parameters().items():
        assert named[name] is parameter
        assert parameter.shape[0] == SCENARIOS
    larger = build(component, SCENARIOS + 1)
    count = sum(parameter.numel() for parameter in bank.parameters())
    assert sum(parameter.numel() for parameter in larger.parameters()) - count == bank.parameters_per_scenario()


@every_adapter
def test_five_default_scenarios_are_below_a_tenth_of_the_backbone(component):
    bank = default_build(component, d_model=384, n_scenarios=5)
    assert sum(parameter.numel() for parameter in bank.parameters()) < 0.1 * BACKBONE_PARAMETERS


@every_adapter
def test_soft_weights_between_two_scenarios_move_the_output_smoothly(component):
    bank, h_Nd = build(component).double(), rows(1).double()
    mixes = torch.linspace(0, 1, 5, dtype=torch.float64)
    weights = torch.stack([1 - mixes, mixes, 0 * mixes, 0 * mixes], -1)
    out_Nd = bank(h_Nd.expand(5, -1), Routing(weights_NK=weights))
    assert out_Nd.isfinite().all()
    ends = bank(h_Nd.expand(2, -1), Routing(index_N=torch.tensor([0, 1])))
    torch.testing.assert_close(out_Nd[[0, -1]], ends, rtol=1e-10, atol=1e-12)
    if bank.scenario_parameters():
        assert not torch.equal(out_Nd[2], out_Nd[0])
