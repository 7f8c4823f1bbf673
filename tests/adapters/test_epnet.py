"""EPNet against its formula; nothing flows back through the gate."""

from __future__ import annotations

import pytest
import torch

from polyscene.adapters.bank import Routing
from polyscene.adapters.epnet import Epnet, EpnetConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

D, K = 4, 3
INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, D, generator=torch.Generator().manual_seed(0))


def make() -> Epnet:
    bank = Epnet(EpnetConfig(dimensions=2, hidden=3), D, K)
    randomize(bank)
    return bank


def gate(bank, h, k):
    hidden = bank.gate.hidden(torch.cat([bank.scenario_Ke[k], h])).relu()
    return 2 * torch.sigmoid(bank.gate.out(hidden))


def test_formula():
    bank = make()
    expected = torch.stack([gate(bank, h, k) * h for h, k in zip(H, INDEX, strict=True)])
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), expected)


def test_the_gradient_of_a_row_is_its_gate():
    bank, h_Nd = make(), H.clone().requires_grad_()
    bank(h_Nd, Routing(index_N=INDEX)).sum().backward()
    expected = torch.stack([gate(bank, h, k) for h, k in zip(H, INDEX, strict=True)])
    torch.testing.assert_close(h_Nd.grad, expected)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="use "):
        EpnetConfig(dimensions=0)
