"""Meta units against their formula, with a row's generated weights written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import leaky_relu

from polyscene.adapters.bank import Routing
from polyscene.adapters.m2m import M2m, M2mConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def generated(unit, vector):
    weight = (vector @ unit.weight_eio + unit.base_io).view(unit.shape)
    return weight, vector @ unit.bias_eo + unit.base_o


@pytest.mark.parametrize("layers", [1, 2])
def test_formula(layers):
    bank = M2m(M2mConfig(dimensions=3, experts=2, width=4, layers=layers), 8, 3)
    randomize(bank)
    expected = []
    for h, k in zip(H, INDEX, strict=True):
        experts = leaky_relu(bank.experts(h), 0.1).view(2, 4)
        weight, bias = generated(bank.attention_unit, bank.scenario_Ke[k])
        met = [leaky_relu(torch.cat([one, bank.task_m]) @ weight + bias, 0.1) for one in experts]
        attention = torch.stack([one @ bank.attention_m for one in met]).softmax(-1)
        out = attention @ experts
        for unit in bank.tower:
            weight, bias = generated(unit, bank.scenario_Ke[k])
            out = leaky_relu(out @ weight + bias + out, 0.1)
        expected.append(h + bank.out(out))
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_a_scenario_owns_its_vector_only():
    bank = M2m(M2mConfig(dimensions=3), 8, 3)
    assert set(bank.scenario_parameters()) == {"scenario_Ke"}
    assert bank.parameters_per_scenario() == 3


def test_a_step_tells_scenarios_apart_although_all_vectors_start_equal():
    torch.manual_seed(0)
    bank = M2m(M2mConfig(), 8, 2)
    optimizer = torch.optim.SGD(bank.parameters(), lr=0.1)
    routing = Routing(index_N=torch.tensor([0, 1, 0, 1, 0]))
    for _ in range(2):
        optimizer.zero_grad()
        (bank(H, routing) * torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]).unsqueeze(1)).sum().backward()
        optimizer.step()
    assert not torch.equal(bank.scenario_Ke[0], bank.scenario_Ke[1])


def test_options_are_checked():
    with pytest.raises(ConfigError, match="width is 0: use 1 or more"):
        M2mConfig(width=0)
