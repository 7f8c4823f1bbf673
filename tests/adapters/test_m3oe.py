"""Three groups of experts against their formula; who hears whom when scenarios come later."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from polyscene.adapters.bank import Routing
from polyscene.adapters.m3oe import M3oe, M3oeConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize, round_trip

H = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


def make(n_scenarios: int = 3) -> M3oe:
    bank = M3oe(M3oeConfig(shared_experts=2, aspect_experts=3, hidden=4), 8, n_scenarios)
    randomize(bank)
    return bank


def by_formula(bank: M3oe, h: torch.Tensor, k: int, heard: list[int]) -> torch.Tensor:
    a, scenario_weight, aspect_weight = bank.balance_3.sigmoid()
    gate = (h @ bank.gate_KdE[k]).softmax(-1)
    shared = sum(gate[e] * expert(bank.shared, e, h) for e in range(2))
    mix = bank.aspect_KE[k].softmax(-1)
    aspects = sum(mix[e] * expert(bank.aspects, e, h) for e in range(3))
    group = bank.scenario
    each = [
        gelu(h @ group.in_KdEf[j, :, 0] + group.bias_KEf[j, 0]) @ group.out_KEfd[j, 0]
        for j in range(bank.n_scenarios)
    ]
    others = [each[j] for j in heard if j != k]
    scenario = a * each[k] + (1 - a) * sum(others) / max(len(others), 1)
    return h + shared + scenario_weight * scenario + aspect_weight * aspects


def expert(group, e, h):
    return gelu(h @ group.in_dEf[:, e] + group.bias_Ef[e]) @ group.out_Efd[e]


@pytest.mark.parametrize("n_scenarios", [1, 3])
def test_formula(n_scenarios):
    bank, index_N = make(n_scenarios), torch.arange(6) % n_scenarios
    expected = [by_formula(bank, h, int(k), list(range(n_scenarios))) for h, k in zip(H, index_N, strict=True)]
    torch.testing.assert_close(bank(H, Routing(index_N=index_N)), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_a_later_scenario_hears_all_and_the_earlier_do_not_hear_it(tmp_path):
    bank, index_N = make(), torch.arange(6)
    before = bank(H[:3], Routing(index_N=index_N[:3]))
    bank.grow(2)
    bank.grow(1)
    assert torch.equal(bank(H[:3], Routing(index_N=index_N[:3])), before)
    randomize(bank, seed=1)
    heard = [[0, 1, 2]] * 3 + [[0, 1, 2, 3, 4]] * 2 + [[0, 1, 2, 3, 4, 5]]
    expected = torch.stack([by_formula(bank, H[k], k, heard[k]) for k in range(6)])
    found = bank(H, Routing(index_N=index_N))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # Who hears whom is in the checkpoint.
    other = make(6)
    round_trip(bank, other, tmp_path / "bank.safetensors")
    assert torch.equal(other(H, Routing(index_N=index_N)), found)


def test_the_gate_does_not_teach_the_representation():
    bank = make()
    with torch.no_grad():
        for name, parameter in bank.named_parameters():
            if name != "gate_KdE":
                parameter.zero_()
        bank.shared.bias_Ef.fill_(1)
        bank.shared.out_Efd.copy_(torch.arange(64.0).view(2, 4, 8))
    h_Nd = H.clone().requires_grad_()
    z_Nd = bank(h_Nd, Routing(index_N=torch.zeros(6, dtype=torch.int64)))
    # The experts are constant, so all that could come back beside the identity would come through the gate.
    assert torch.equal(torch.autograd.grad(z_Nd.sum(), h_Nd)[0], torch.ones_like(h_Nd))


def test_experts_of_the_scenarios_are_shared_and_counted():
    bank = make()
    assert {"scenario.in_KdEf", "scenario.bias_KEf", "scenario.out_KEfd"} == set(bank.joint_parameters())
    assert set(bank.joint_parameters()) < set(bank.shared_parameters())
    assert bank.parameters_per_scenario() == 8 * 2 + 3 + 8 * 4 + 4 + 4 * 8


def test_options_are_checked():
    with pytest.raises(ConfigError, match="aspect_experts is 0: use 1 or more"):
        M3oeConfig(aspect_experts=0)
