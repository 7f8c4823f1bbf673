"""Adapters one by one against their formula, row by row; routing helpers."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from polyscene.adapters.bank import Routing, routed, routed_linear
from polyscene.adapters.bottleneck import Bottleneck, BottleneckConfig
from polyscene.adapters.gate import Gate, GateConfig
from polyscene.adapters.id_feature import IdFeature, IdFeatureConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

K, D = 3, 8
INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, D, generator=torch.Generator().manual_seed(0))


def trained(bank):
    randomize(bank)
    return bank


def test_gate_formula():
    bank = trained(Gate(GateConfig(), D, K))
    expected = torch.stack([h * bank.weight_Kd[k] for h, k in zip(H, INDEX, strict=True)])
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), expected)


def test_bottleneck_formula():
    bank = trained(Bottleneck(BottleneckConfig(rank=2), D, K))
    expected = torch.stack(
        [h + gelu(layer_norm(h, (D,)) @ bank.down_Kdr[k]) @ bank.up_Krd[k] for h, k in zip(H, INDEX, strict=True)]
    )
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), expected)
    assert bank.parameters_per_scenario() == 2 * 2 * D


def test_id_feature_formula():
    bank = trained(IdFeature(IdFeatureConfig(dimensions=3), D, K))
    expected = torch.stack(
        [
            h + bank.out(gelu(bank.hidden(torch.cat([h, bank.scenario_Ke[k]]))))
            for h, k in zip(H, INDEX, strict=True)
        ]
    )
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), expected)


def test_growing_keeps_the_place_of_a_parameter_and_that_it_is_frozen():
    bank = Bottleneck(BottleneckConfig(rank=2), D, K)
    bank.down_Kdr.requires_grad_(False)
    bank.grow()
    assert bank.n_scenarios == K + 1
    assert bank.down_Kdr.shape == (K + 1, D, 2)
    assert not bank.down_Kdr.requires_grad
    assert bank.up_Krd.requires_grad
    assert set(dict(bank.named_parameters())) == {"down_Kdr", "up_Krd"}


def test_soft_weights_mix_parameters():
    weights_NK = torch.tensor([[0.2, 0.3, 0.5]])
    parameter_K = torch.arange(6.0).view(3, 2)
    torch.testing.assert_close(routed(parameter_K, Routing(weights_NK=weights_NK)), torch.tensor([[2.6, 3.6]]))
    weight_Kio = torch.randn(K, D, 4, generator=torch.Generator().manual_seed(1))
    mixed = (torch.tensor([0.2, 0.3, 0.5])[:, None, None] * weight_Kio).sum(0)
    torch.testing.assert_close(routed_linear(H[:1], weight_Kio, Routing(weights_NK=weights_NK)), H[:1] @ mixed)


def test_segments_are_consecutive_and_known_on_the_host():
    routing = Routing.of_segments([(2, 3), (0, 1), (2, 2)], "cpu")
    assert routing.segments == ((2, 0, 3), (0, 3, 4), (2, 4, 6))
    assert routing.index_N is not None
    assert routing.index_N.tolist() == [2, 2, 2, 0, 2, 2]


def test_empty_batch():
    routing = Routing(index_N=torch.zeros(0, dtype=torch.int64))
    for bank in (
        Gate(GateConfig(), D, K),
        Bottleneck(BottleneckConfig(), D, K),
        IdFeature(IdFeatureConfig(), D, K),
    ):
        assert bank(H[:0], routing).shape == (0, D)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GateConfig(activation="relu"),
        lambda: BottleneckConfig(rank=0),
        lambda: IdFeatureConfig(dimensions=0),
        lambda: IdFeatureConfig(hidden=-1),
    ],
)
def test_options_are_checked(make):
    with pytest.raises(ConfigError, match="use "):
        make()
