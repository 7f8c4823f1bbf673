"""Progressive layered extraction against its formula, level by level and expert by expert."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from polyscene.adapters.bank import Routing
from polyscene.adapters.ple import Ple, PleConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def make(levels: int) -> Ple:
    bank = Ple(PleConfig(levels=levels, own_experts=2, shared_experts=3, hidden=4), 8, 3)
    randomize(bank)
    return bank


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_formula(levels):
    bank = make(levels)
    expected = []
    for h, k in zip(H, INDEX, strict=True):
        p = s = h
        for number, level in enumerate(bank.levels):
            own, shared = level.own, level.shared
            gate = (p @ level.gate_KdE[k]).softmax(-1)
            mine = [gelu(p @ own.in_KdEf[k, :, e] + own.bias_KEf[k, e]) @ own.out_KEfd[k, e] for e in range(2)]
            common = [gelu(s @ shared.in_dEf[:, e] + shared.bias_Ef[e]) @ shared.out_Efd[e] for e in range(3)]
            p = p + sum(g * out for g, out in zip(gate, mine + common, strict=True))
            if number < levels - 1:
                gate = (s @ level.shared_gate_dE).softmax(-1)
                s = s + sum(g * out for g, out in zip(gate, common, strict=True))
        expected.append(p)
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected), rtol=1e-5, atol=1e-4)


def test_experts_of_the_own_group_are_the_scenarios_in_every_level():
    bank = make(2)
    names = {f"levels.{level}.{name}" for level in (0, 1) for name in ("gate_KdE", "own.in_KdEf", "own.out_KEfd")}
    assert names <= set(bank.scenario_parameters())
    assert {"levels.0.shared.in_dEf", "levels.0.shared_gate_dE"} <= set(bank.shared_parameters())
    # The last level's shared path leads nowhere: no gate that would never learn.
    assert "levels.1.shared_gate_dE" not in dict(bank.named_parameters())


def test_levels_keep_routing_exact_and_others_bit_equal_when_a_scenario_comes():
    bank, routing = make(2), Routing(index_N=INDEX)
    before = bank(H, routing)
    before[INDEX == 0].sum().backward()
    for name, parameter in bank.scenario_parameters().items():
        assert parameter.grad is not None
        assert parameter.grad[1:].count_nonzero() == 0, name
    bank.grow()
    assert torch.equal(bank(H, routing), before)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="levels is 0: use 1 or more"):
        PleConfig(levels=0)
