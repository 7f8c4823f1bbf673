"""The hyper adapter against the published order of operations, with a row's weight matrices written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import layer_norm

from polyscene.adapters.bank import Routing
from polyscene.adapters.hamur import Hamur, HamurConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))


def test_formula():
    bank = Hamur(HamurConfig(width=6, instance=3, hyper=5), 8, 3)
    randomize(bank)
    expected = []
    for h, k in zip(H, INDEX, strict=True):
        instance = bank.hyper(h).view(3, 3)
        down = bank.down_u_Kdk[k] @ instance @ bank.down_v_Kkw[k]
        up = bank.up_u_Kwk[k] @ instance @ bank.up_v_Kkd[k]
        out = torch.sigmoid(h @ down + bank.down_bias_Kw[k]) @ up + bank.up_bias_Kd[k]
        expected.append(h + bank.scale_Kd[k] * layer_norm(out, (8,)) + bank.shift_Kd[k])
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_the_matrix_of_a_row_starts_near_the_unit_matrix():
    bank = Hamur(HamurConfig(hyper=5), 8, 3)
    with torch.no_grad():
        bank.hyper[-1].weight.zero_()
    assert torch.equal(bank.hyper(H)[0].view(8, 8), torch.eye(8))


def test_only_the_hyper_network_is_shared():
    bank = Hamur(HamurConfig(width=6, instance=3, hyper=5), 8, 3)
    assert {name.split(".")[0] for name in bank.shared_parameters()} == {"hyper"}
    assert bank.parameters_per_scenario() == 2 * 3 * (8 + 6) + 6 + 3 * 8


def test_options_are_checked():
    with pytest.raises(ConfigError, match="instance is 0: use 1 or more"):
        HamurConfig(instance=0)
