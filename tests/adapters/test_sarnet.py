"""SAR-Net against its formula, expert by expert."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from polyscene.adapters.bank import Routing
from polyscene.adapters.sarnet import Sarnet, SarnetConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

D, K = 4, 3
INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, D, generator=torch.Generator().manual_seed(0))


def test_formula():
    bank = Sarnet(SarnetConfig(shared_experts=3, own_experts=2, hidden=4), D, K)
    randomize(bank)
    shared, own, expected = bank.shared, bank.own, []
    for row, k in zip(H, INDEX, strict=True):
        h = bank.scale_Kd[k] * row + bank.shift_Kd[k]
        experts = [gelu(h @ shared.in_dEf[:, e] + shared.bias_Ef[e]) @ shared.out_Efd[e] for e in range(3)]
        experts += [gelu(h @ own.in_KdEf[k, :, e] + own.bias_KEf[k, e]) @ own.out_KEfd[k, e] for e in range(2)]
        expected.append(h + bank.gate(h).softmax(-1) @ torch.stack(experts))
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected))


def test_a_scenario_owns_its_map_and_its_experts():
    bank = Sarnet(SarnetConfig(shared_experts=3, own_experts=2, hidden=4), D, K)
    assert bank.parameters_per_scenario() == 2 * D + 2 * (D * 4 + 4 + 4 * D)
    assert "gate.weight" in bank.shared_parameters()


def test_options_are_checked():
    with pytest.raises(ConfigError, match="use "):
        SarnetConfig(own_experts=0)
