"""PPNet against its formula, with and without a personal vector."""

from __future__ import annotations

import pytest
import torch

from polyscene.adapters.bank import Routing
from polyscene.adapters.ppnet import Ppnet, PpnetConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

D, K = 4, 3
INDEX = torch.tensor([2, 0, 1, 0, 2])
H, PERSONAL = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(0))


def make() -> Ppnet:
    bank = Ppnet(PpnetConfig(dimensions=2, hidden=3, layers=2), D, K)
    randomize(bank)
    return bank


@pytest.mark.parametrize("personal", [None, PERSONAL])
def test_formula(personal):
    bank, expected = make(), []
    for n, (h, k) in enumerate(zip(H, INDEX, strict=True)):
        prior = torch.cat([bank.scenario_Ke[k], h if personal is None else personal[n], h])
        x = h
        for layer, gate in zip(bank.layers[:2], bank.gates[:2], strict=True):
            x = layer(x).relu() * gate(prior)
        expected.append(h + bank.layers[2](x) * bank.gates[2](prior))
    out = bank(H, Routing(index_N=INDEX, personal_Nd=personal))
    torch.testing.assert_close(out, torch.stack(expected))


def test_gates_do_not_pull_at_the_row_they_read():
    bank, h_Nd = make(), H.clone().requires_grad_()
    with torch.no_grad():
        for layer in bank.layers:
            layer.weight.zero_()
    bank(h_Nd, Routing(index_N=INDEX)).sum().backward()
    # With constant layers the row reaches the output by the residual and by what gates would let through.
    assert torch.equal(h_Nd.grad, torch.ones_like(H))


def test_options_are_checked():
    with pytest.raises(ConfigError, match="use "):
        PpnetConfig(layers=0)
