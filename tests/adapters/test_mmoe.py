"""The mixture of experts against its formula, expert by expert."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from polyscene.adapters.bank import Routing
from polyscene.adapters.mmoe import Mmoe, MmoeConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def test_formula():
    bank = Mmoe(MmoeConfig(experts=3, hidden=4), 8, 3)
    randomize(bank)
    expected = []
    for h, k in zip(H, INDEX, strict=True):
        gate = (h @ bank.gate_KdE[k]).softmax(-1)
        experts = bank.experts
        outputs = [gelu(h @ experts.in_dEf[:, e] + experts.bias_Ef[e]) @ experts.out_Efd[e] for e in range(3)]
        # The gates sum to 1: a mixture of h + E_e(h) is h and a mixture of E_e(h).
        expected.append(sum(gate[e] * (h + outputs[e]) for e in range(3)))
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected))


def test_by_hand():
    """Two experts, of which a gate of +-10 chooses one: gelu(3) = 2.99595, times 1 or times 2."""
    bank = Mmoe(MmoeConfig(experts=2, hidden=1), 1, 2)
    with torch.no_grad():
        bank.experts.in_dEf.fill_(1)
        bank.experts.out_Efd.copy_(torch.tensor([[[1.0]], [[2.0]]]))
        bank.gate_KdE.copy_(torch.tensor([[[10.0, -10.0]], [[-10.0, 10.0]]]))
    z = bank(torch.tensor([[3.0], [3.0]]), Routing(index_N=torch.tensor([0, 1])))
    torch.testing.assert_close(z, torch.tensor([[5.99595], [8.99190]]))


def test_gates_are_all_that_a_scenario_owns():
    bank = Mmoe(MmoeConfig(experts=3, hidden=4), 8, 3)
    assert set(bank.shared_parameters()) == {"experts.in_dEf", "experts.bias_Ef", "experts.out_Efd"}
    assert bank.parameters_per_scenario() == 8 * 3


def test_options_are_checked():
    with pytest.raises(ConfigError, match=r"2 problems\n.*experts is 0: use 1 or more\n.*hidden is -1"):
        MmoeConfig(experts=0, hidden=-1)
