"""What must hold for every adapter bank: exact routing, independence, no state, growth, identity, size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.testing.routings import SCENARIOS, WAYS, routing_of, rows
from polyscene.testing.state import (
    DEVICE,
    assert_same,
    assert_unmoved,
    randomize,
    round_trip,
    snapshot,
    step_without_values,
)
from polyscene.testing.suite import ComponentSuite

BACKBONE_PARAMETERS = 22_700_000
SOME = torch.arange(9) % SCENARIOS
# Small and large segments, a scenario left out, one that comes twice.
COUNTS = ([(0, 3)], [(2, 80), (0, 1), (2, 3)], [(1, 1), (3, 80), (0, 3), (2, 1)])


class AdapterSuite(ComponentSuite):
    """Tests of an adapter, built for four scenarios of width 16.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.adapters.film import Film
        >>> class TestFilm(AdapterSuite):
        ...     component = Component("adapter", "film", Film)
    """

    kind = "adapter"
    d_model: ClassVar[int] = 16

    def bank(self, n_scenarios: int = SCENARIOS, *, trained: bool = True) -> AdapterBank:
        """A bank in eval mode, as it starts or as it may be after training."""
        torch.manual_seed(0)
        bank: AdapterBank = self.made(d_model=self.d_model, n_scenarios=n_scenarios)
        if trained:
            randomize(bank)
        return bank.eval()

    def rows(self, count: int, seed: int = 0) -> Tensor:
        """Random vectors ``[N, d]``."""
        return rows(count, self.d_model, seed)

    @pytest.mark.parametrize("counts", COUNTS, ids=str)
    def test_index_segments_and_one_hot_weights_are_the_same_routing(
        self, counts: Sequence[tuple[int, int]]
    ) -> None:
        bank, h_Nd = self.bank().double(), self.rows(sum(count for _, count in counts)).double()
        expected = bank(h_Nd, routing_of("index", counts))
        assert expected.shape == h_Nd.shape, (
            f"the result is {tuple(expected.shape)}; it must have the input's shape"
        )
        for way in WAYS[1:]:
            out_Nd = bank(h_Nd, routing_of(way, counts, torch.float64))
            why = f"rows routed by {way} get another result than by index: use polyscene.routed, routed_linear"
            assert_same(out_Nd, expected, why, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("rows_each", [2, 70])
    def test_other_scenarios_get_a_gradient_of_exactly_zero(self, way: str, rows_each: int) -> None:
        bank = self.bank()
        parameters = bank.scenario_parameters()
        routing = routing_of(way, [(k, rows_each) for k in range(SCENARIOS)])
        for k in range(SCENARIOS):
            out_Nd = bank(self.rows(rows_each * SCENARIOS), routing)
            loss = out_Nd[k * rows_each : (k + 1) * rows_each].square().sum()
            gradients = torch.autograd.grad(loss, list(parameters.values())) if parameters else ()
            for name, gradient_K in zip(parameters, gradients, strict=True):
                others = torch.arange(SCENARIOS) != k
                leaked = gradient_K[others].count_nonzero()
                assert leaked == 0, f"rows of scenario {k} move {name} of others: index it by the routing alone"
                assert gradient_K[k].count_nonzero() > 0, f"{name} of scenario {k} does nothing"

    def test_a_row_does_not_depend_on_the_other_rows(self) -> None:
        bank, index_N = self.bank().double(), torch.arange(200) % SCENARIOS
        h_Nd = self.rows(200).double()
        together = bank(h_Nd, Routing(index_N=index_N))
        for chosen in (torch.tensor([7]), torch.tensor([150, 3, 4]), torch.arange(60, 120)):
            alone = bank(h_Nd[chosen], Routing(index_N=index_N[chosen]))
            why = "in eval mode a row's output changes with the batch: no statistics over rows there"
            assert_same(alone, together[chosen], why, rtol=1e-10, atol=1e-12)

    def test_eval_moves_no_state_and_is_repeatable(self) -> None:
        bank, routing = self.bank(), Routing(index_N=SOME)
        before = snapshot(bank)
        first, second = bank(self.rows(9), routing), bank(self.rows(9), routing)
        assert torch.equal(first, second), "the same rows get two results: draw no numbers in eval mode"
        assert_unmoved(before, bank, "count in training mode only")

    def test_round_trip_is_bit_equal(self, tmp_path: Path) -> None:
        bank, other, routing = self.bank(), self.bank(trained=False), Routing(index_N=SOME)
        round_trip(bank, other, tmp_path / "bank.safetensors")
        same = torch.equal(bank(self.rows(9), routing), other(self.rows(9), routing))
        assert same, "a bank from a checkpoint gives another result: keep state in parameters and buffers"

    def test_a_step_of_training_leaves_a_state_that_a_checkpoint_holds(self, tmp_path: Path) -> None:
        bank, other = self.bank().train(), self.bank(trained=False)
        for step in range(3):
            bank(self.rows(40, seed=step), Routing(index_N=torch.arange(40) % SCENARIOS))
            bank.settle()
        bank.eval()
        round_trip(bank, other, tmp_path / "bank.safetensors")
        routing = Routing(index_N=SOME)
        same = torch.equal(bank(self.rows(9), routing), other(self.rows(9), routing))
        assert same, "what training counts is not in the checkpoint: register it as a buffer"

    @pytest.mark.parametrize("way", [way for way in WAYS if way != "weights"])
    @pytest.mark.parametrize("rows_each", [2, 70])
    def test_growth_leaves_the_others_bit_equal(self, way: str, rows_each: int) -> None:
        bank, routing = self.bank(), routing_of(way, [(k, rows_each) for k in range(SCENARIOS)])
        h_Nd = self.rows(rows_each * SCENARIOS)
        before = bank(h_Nd, routing)
        bank.grow(2)
        assert torch.equal(bank(h_Nd, routing), before), "a new scenario changes what the others get"
        assert bank.n_scenarios == SCENARIOS + 2
        new = [bank(self.rows(5), Routing(index_N=torch.full((5,), SCENARIOS + k))) for k in range(2)]
        assert_same(new[0], new[1], "a new scenario does not start as the shared function", rtol=0, atol=0)
        assert all(parameter.requires_grad for parameter in bank.scenario_parameters().values())

    def test_starts_as_one_function_for_all_scenarios(self) -> None:
        bank = self.bank(trained=False)
        for way in WAYS:
            routing = routing_of(way, [(k, 70) for k in range(SCENARIOS)])
            out_KNd = bank(self.rows(70).repeat(SCENARIOS, 1), routing).view(SCENARIOS, 70, self.d_model)
            why = "scenarios start apart: give all the same initial function"
            assert_same(out_KNd, out_KNd[:1].expand_as(out_KNd), why)
            is_identity = torch.equal(out_KNd[0], self.rows(70))
            assert is_identity == bank.starts_as_identity, f"starts_as_identity is {bank.starts_as_identity}"

    def test_shared_and_own_parameters_are_all_there_is(self) -> None:
        bank = self.bank()
        own, shared, named = bank.scenario_parameters(), bank.shared_parameters(), dict(bank.named_parameters())
        assert own.keys() | shared.keys() == named.keys(), "scenario_parameters() uses other names than the module"
        assert not own.keys() & shared.keys()
        for name, parameter in own.items():
            assert named[name] is parameter
            assert len(parameter) == SCENARIOS, f"{name} is not stacked over scenarios in its first dimension"
        assert all(len(buffer) == SCENARIOS for buffer in bank.scenario_buffers().values())

    def test_rows_of_every_scenario_reach_what_is_shared(self) -> None:
        bank = self.bank()
        shared, joint = bank.shared_parameters(), bank.joint_parameters()
        assert joint.keys() <= shared.keys()
        for k in range(SCENARIOS):
            routing = Routing(index_N=torch.full((200,), k), personal_Nd=self.rows(200, seed=1))
            loss = bank(self.rows(200), routing).square().sum()
            gradients = torch.autograd.grad(loss, list(shared.values())) if shared else ()
            for name, gradient in zip(shared, gradients, strict=True):
                assert gradient.count_nonzero() > 0, f"rows of scenario {k} do not reach {name}"
                if name in joint:
                    assert gradient.flatten(1).count_nonzero(1).all(), f"{name} is not joint"

    def test_scenarios_are_told_apart_unless_the_kind_says_that_it_ignores_them(self) -> None:
        bank = self.bank()
        first, second = (bank(self.rows(9), Routing(index_N=torch.full((9,), k))) for k in (0, 1))
        assert torch.equal(first, second) == bank.ignores_scenario, f"ignores_scenario is {bank.ignores_scenario}"
        assert not (bank.ignores_scenario and bank.scenario_parameters())

    def test_rows_that_only_fill_a_batch_up_count_for_nothing(self) -> None:
        alone, filled = self.bank().train(), self.bank().train()
        index_N = torch.arange(40) % SCENARIOS
        expected = alone(self.rows(40), Routing(index_N=index_N))
        wild = torch.cat([self.rows(40), 100 * self.rows(12, seed=1)])
        routing = Routing(torch.cat([index_N, index_N[:12]]), real_N=torch.arange(52) < 40)
        why = "rows that are False in routing.real_N change what is counted: leave them out"
        assert_same(filled(wild, routing)[:40], expected, why, rtol=1e-4, atol=1e-5)
        alone.settle()
        filled.settle()
        for name, value in alone.state_dict().items():
            assert_same(filled.state_dict()[name], value, f"{name}: {why}", rtol=1e-4, atol=1e-5)

    def test_parameters_of_a_scenario_are_counted(self) -> None:
        count, larger = (sum(p.numel() for p in self.bank(SCENARIOS + n).parameters()) for n in (0, 1))
        assert larger - count == self.bank().parameters_per_scenario(), (
            "parameters_per_scenario() is another number"
        )

    def test_five_default_scenarios_are_below_a_tenth_of_the_backbone(self) -> None:
        bank: AdapterBank = self.made(d_model=384, n_scenarios=5)
        count = sum(parameter.numel() for parameter in bank.parameters())
        most = BACKBONE_PARAMETERS // 10
        assert count < most, (
            f"five scenarios of width 384 have {count:,} parameters: choose defaults below {most:,}"
        )

    def test_soft_weights_between_two_scenarios_move_the_output_smoothly(self) -> None:
        bank, h_Nd = self.bank().double(), self.rows(1).double()
        mixes = torch.linspace(0, 1, 5, dtype=torch.float64)
        weights = torch.stack([1 - mixes, mixes, 0 * mixes, 0 * mixes], -1)
        out_Nd = bank(h_Nd.expand(5, -1), Routing(weights_NK=weights))
        assert out_Nd.isfinite().all()
        ends = bank(h_Nd.expand(2, -1), Routing(index_N=torch.tensor([0, 1])))
        assert_same(out_Nd[[0, -1]], ends, "a weight of 1 is not the scenario itself", rtol=1e-10, atol=1e-12)
        if bank.scenario_parameters():
            assert not torch.equal(out_Nd[2], out_Nd[0]), "the router's weights do nothing"

    @pytest.mark.parametrize("way", ["index", "segments", "weights"])
    def test_a_step_waits_for_no_device(self, way: str) -> None:
        bank = self.bank(3, trained=False).to(DEVICE)
        routing = {
            "index": Routing(index_N=torch.zeros(300, dtype=torch.int64, device=DEVICE)),
            "segments": Routing.of_segments([(0, 100), (2, 200)], DEVICE),
            "weights": Routing(weights_NK=torch.rand(300, 3, device=DEVICE)),
        }[way]
        step_without_values(bank, torch.randn(300, self.d_model, device=DEVICE), routing)
