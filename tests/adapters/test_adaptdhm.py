"""Clusters: the formula, and how centers move."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu, normalize

from polyscene.adapters.adaptdhm import AdaptDhm, AdaptDhmConfig
from polyscene.adapters.bank import Routing
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

H = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
ANY = Routing(index_N=torch.zeros(5, dtype=torch.int64))


def test_formula():
    bank = AdaptDhm(AdaptDhmConfig(clusters=3, hidden=4), 8, 2).eval()
    randomize(bank)
    expected, clusters = [], set()
    for h in H:
        j = int((bank.center_Jd @ h).softmax(-1).argmax())
        clusters.add(j)
        hidden = gelu(h @ (bank.down_df * bank.cluster_down_Jdf[j]) + bank.bias_f + bank.cluster_bias_Jf[j])
        expected.append(h + hidden @ (bank.up_fd * bank.cluster_up_Jfd[j]))
    assert len(clusters) > 1
    torch.testing.assert_close(bank(H, ANY), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_the_scenario_is_ignored():
    bank = AdaptDhm(AdaptDhmConfig(), 8, 2).eval()
    randomize(bank)
    assert torch.equal(bank(H, ANY), bank(H, Routing(index_N=torch.ones(5, dtype=torch.int64))))


def test_centers_move_by_hand():
    """Centers on the axes, one row at (3, 4): its direction is (.6, .8), and a half of each is kept."""
    bank = AdaptDhm(AdaptDhmConfig(clusters=2, momentum=0.5), 2, 1)
    bank.center_Jd.copy_(torch.eye(2))
    bank(torch.tensor([[3.0, 4.0]]), Routing(index_N=torch.zeros(1, dtype=torch.int64)))
    expected = normalize(torch.tensor([[0.5 + 0.3, 0.4], [0.3, 0.5 + 0.4]]), dim=-1)
    torch.testing.assert_close(bank.center_Jd, expected)


def test_centers_move_in_training_only_and_find_two_groups():
    torch.manual_seed(1)
    bank = AdaptDhm(AdaptDhmConfig(clusters=2), 8, 1)
    groups_Nd = torch.cat([torch.randn(50, 8) + 6 * torch.eye(8)[0], torch.randn(50, 8) - 6 * torch.eye(8)[0]])
    routing = Routing(index_N=torch.zeros(100, dtype=torch.int64))
    for _ in range(30):
        bank(groups_Nd, routing)
    found, centers_Jd = (groups_Nd @ bank.center_Jd.T).argmax(-1), bank.center_Jd.clone()
    assert {tuple(found[:50].unique().tolist()), tuple(found[50:].unique().tolist())} == {(0,), (1,)}
    bank.eval()(groups_Nd, routing)
    assert torch.equal(bank.center_Jd, centers_Jd)


def test_an_empty_batch_leaves_centers_where_they_are():
    bank = AdaptDhm(AdaptDhmConfig(), 8, 1)
    before = bank.center_Jd.clone()
    assert bank(H[:0], Routing(index_N=torch.zeros(0, dtype=torch.int64))).shape == (0, 8)
    torch.testing.assert_close(bank.center_Jd, before)


def test_options_are_checked():
    with pytest.raises(ConfigError, match="use a number from 0 to below 1"):
        AdaptDhmConfig(momentum=1)
    with pytest.raises(ConfigError, match="clusters is 0: use 1 or more"):
        AdaptDhmConfig(clusters=0)
