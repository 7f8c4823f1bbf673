"""Sequence models one by one: what each computes, against cases worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polyscene.errors import ConfigError
from polyscene.sequence.attention import AttentionPooling, AttentionPoolingConfig
from polyscene.sequence.causal_transformer import CausalTransformer, CausalTransformerConfig
from polyscene.sequence.gru import Gru, GruConfig
from polyscene.sequence.mean import MeanPooling

D, T = 8, 5
BOTH = torch.tensor([True, False])


def inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, T, D, generator=generator), torch.randn(2, D, generator=generator)


def test_mean_by_hand():
    model = MeanPooling(None, D, T)
    x_BTd, start_Bd = inputs()
    states = model(x_BTd, start_Bd, BOTH)
    first = start_Bd + model.begin_d
    torch.testing.assert_close(states[:, 0], first)
    torch.testing.assert_close(states[:, 3], (first + x_BTd[:, :3].sum(1)) / 4)


def test_attention_pooling_by_hand():
    torch.manual_seed(0)
    model = AttentionPooling(AttentionPoolingConfig(heads=2), D, T).eval()
    nn.init.constant_(model.rate_H, 0.7)
    x_BTd, start_Bd = inputs()
    states = model(x_BTd, start_Bd, BOTH)
    for row, ordered in enumerate(BOTH.tolist()):
        steps = torch.cat([(start_Bd[row] + model.begin_d)[None], x_BTd[row, :3]])
        normed = model.norm(steps)
        score = model.score(normed) + 0.7 * ordered * torch.arange(4)[:, None]
        heads = [score[:, head].softmax(0) @ model.value(normed)[:, 4 * head : 4 * head + 4] for head in range(2)]
        torch.testing.assert_close(states[row, 3], steps[0] + model.out(torch.cat(heads)))


def test_gru_is_torchs_for_ordered_rows_and_the_projected_mean_for_others():
    torch.manual_seed(0)
    model = Gru(GruConfig(hidden=6), D, T).eval()
    x_BTd, start_Bd = inputs()
    states = model(x_BTd, start_Bd, BOTH)
    steps = torch.cat([(start_Bd + model.begin_d).unsqueeze(1), x_BTd], 1)
    torch.testing.assert_close(states[0], model.out(model.gru(steps)[0][0]))
    torch.testing.assert_close(states[1, -1], model.out(model.unordered(steps[1].mean(0)).tanh()))


def test_transformer_equals_torchs_pre_norm_encoder_for_ordered_rows():
    torch.manual_seed(0)
    config = CausalTransformerConfig(layers=3, heads=2, expansion=2)
    model = CausalTransformer(config, D, T).eval()
    x_BTd, start_Bd = inputs()
    layers = []
    for block in model.blocks:
        layer = nn.TransformerEncoderLayer(D, 2, 2 * D, 0.0, "gelu", batch_first=True, norm_first=True)
        layer.self_attn.in_proj_weight = nn.Parameter(torch.cat([block.query.weight, block.key_value.weight]))
        layer.self_attn.in_proj_bias = nn.Parameter(torch.cat([block.query.bias, block.key_value.bias]))
        layer.self_attn.out_proj.load_state_dict(block.out.state_dict())
        layer.norm1.load_state_dict(block.attention_norm.state_dict())
        layer.norm2.load_state_dict(block.feed_norm.state_dict())
        layer.linear1.load_state_dict(block.feed[0].state_dict())
        layer.linear2.load_state_dict(block.feed[3].state_dict())
        layers.append(layer.train())
    h_BSd = torch.cat([(start_Bd + model.begin_d).unsqueeze(1), x_BTd], 1) + model.position_Sd
    for layer in layers:
        h_BSd = layer(h_BSd, nn.Transformer.generate_square_subsequent_mask(T + 1), is_causal=True)
    ordered = torch.ones(2, dtype=torch.bool)
    torch.testing.assert_close(model(x_BTd, start_Bd, ordered), model.norm(h_BSd), rtol=1e-4, atol=1e-5)


def test_a_plain_causal_mask_would_tell_the_order_of_unordered_rows():
    """Why unordered rows need a mask of their own: without positions, two causal blocks still see the order."""
    torch.manual_seed(0)
    model = CausalTransformer(CausalTransformerConfig(layers=2), D, T).eval()
    nn.init.zeros_(model.position_Sd)
    x_BTd, start_Bd = inputs()
    ordered = torch.ones(2, dtype=torch.bool)
    last, turned = (
        model(x_BTd, start_Bd, ordered)[:, -1],
        model(x_BTd[:, [1, 0, 2, 3, 4]], start_Bd, ordered)[:, -1],
    )
    assert (last - turned).abs().max() > 1e-4


def test_dropout_acts_in_training_only():
    x_BTd, start_Bd = inputs()
    for model in (
        AttentionPooling(AttentionPoolingConfig(dropout=0.5), D, T),
        CausalTransformer(CausalTransformerConfig(dropout=0.5), D, T),
        Gru(GruConfig(dropout=0.5), D, T),
    ):
        assert not torch.equal(model(x_BTd, start_Bd, BOTH), model(x_BTd, start_Bd, BOTH))
        model.eval()
        assert torch.equal(model(x_BTd, start_Bd, BOTH), model(x_BTd, start_Bd, BOTH))


@pytest.mark.parametrize(
    "make",
    [
        lambda: AttentionPooling(AttentionPoolingConfig(heads=3), D, T),
        lambda: CausalTransformer(CausalTransformerConfig(heads=3), D, T),
        lambda: CausalTransformerConfig(layers=0),
        lambda: CausalTransformerConfig(dropout=1.0),
        lambda: AttentionPoolingConfig(heads=0),
        lambda: GruConfig(hidden=-1),
    ],
)
def test_options_are_checked(make):
    with pytest.raises(ConfigError, match=r"use |change "):
        make()
