"""A cut model is the whole model: prefix, then suffix."""

from __future__ import annotations

import copy

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    RobertaConfig,
)

from polyscene.backbone.config import POOLINGS
from polyscene.backbone.cut import cut
from polyscene.backbone.loading import load_encoder, load_tokenizer
from polyscene.backbone.pooling import pool
from polyscene.errors import BackboneError

SIZE = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
CONFIGS = {
    "bert": BertConfig(**SIZE),
    "roberta": RobertaConfig(**SIZE, pad_token_id=1),
    "electra": ElectraConfig(**SIZE, embedding_size=16),
    "mpnet": MPNetConfig(**SIZE, pad_token_id=1),
    "distilbert": DistilBertConfig(
        vocab_size=50, dim=32, n_layers=3, n_heads=4, hidden_dim=64, max_position_embeddings=40
    ),
}


def model_of(config):
    torch.manual_seed(0)
    return AutoModel.from_config(config).eval().requires_grad_(False)


def batch(model, rows=5, length=9):
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, 50, (rows, length), generator=generator)
    mask = (torch.arange(length) < torch.randint(2, length + 1, (rows, 1), generator=generator)).long()
    return tokens.masked_fill(mask == 0, model.config.pad_token_id), mask


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", CONFIGS)
def test_prefix_and_suffix_equal_the_whole(kind, layers):
    model = model_of(CONFIGS[kind])
    tokens, mask = batch(model)
    whole = model(input_ids=tokens, attention_mask=mask).last_hidden_state
    suffix = cut(model, layers, "mean", normalize=True)
    states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
    again = suffix.token_states(states, mask)
    torch.testing.assert_close(again[mask.bool()], whole[mask.bool()], atol=1e-5, rtol=0)
    torch.testing.assert_close(suffix(states, mask), pool(whole, mask, "mean", normalize=True), atol=1e-5, rtol=0)
    assert (states - whole).abs().max() > 0.01  # something was cut off


@pytest.mark.parametrize("pooling", POOLINGS)
def test_minilm_cut_in_two_equals_minilm(minilm, pooling):
    texts = ["Whole milk, 1 gallon", "The Godfather. 1972. Crime Drama", "", "a"]
    inputs = load_tokenizer(minilm)(texts, padding=True, return_tensors="pt")
    tokens, mask = inputs["input_ids"], inputs["attention_mask"]
    model = load_encoder(minilm, torch.device("cpu"), pooling)
    whole = pool(model(input_ids=tokens, attention_mask=mask).last_hidden_state, mask, pooling, normalize=True)
    suffix = cut(model, 2, pooling, normalize=True)
    states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(suffix(states, mask), whole, atol=1e-5, rtol=0)


def test_padding_of_the_batch_does_not_reach_a_row():
    model = model_of(CONFIGS["bert"])
    tokens, mask = batch(model)
    suffix = cut(model, 2, "mean", normalize=False)
    states = model(input_ids=tokens, attention_mask=mask).last_hidden_state
    noisy = states + 100 * (mask == 0)[..., None]
    torch.testing.assert_close(suffix(noisy, mask), suffix(states, mask), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", CONFIGS)
def test_only_the_suffix_layers_train(kind):
    model = model_of(CONFIGS[kind])
    tokens, mask = batch(model)
    suffix = cut(model, 2, "mean", normalize=True)
    assert not suffix.training
    suffix(model(input_ids=tokens, attention_mask=mask).last_hidden_state, mask)[:, 0].sum().backward()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    trainable = {name for name, parameter in suffix.named_parameters() if parameter.requires_grad}
    assert trainable == {name for name, _ in suffix.named_parameters() if name.startswith("stack.layer.")}
    assert {name.split(".")[2] for name in trainable} == {"0", "1"}
    moved = {name for name, parameter in suffix.named_parameters() if parameter.grad is not None}
    assert moved == trainable


def test_training_the_suffix_leaves_the_prefix_alone():
    model = model_of(CONFIGS["bert"])
    before = copy.deepcopy(model.state_dict())
    suffix = cut(model, 1, "mean", normalize=True)
    with torch.no_grad():
        for parameter in suffix.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("layers", [0, 3, 7])
def test_a_cut_leaves_layers_on_both_sides(layers):
    with pytest.raises(BackboneError, match="use 1 to 2"):
        cut(model_of(CONFIGS["bert"]), layers, "mean", normalize=True)


def test_an_architecture_without_a_stack_of_layers_is_refused():
    albert = AlbertConfig(**SIZE, embedding_size=16)  # one layer, used again and again
    with pytest.raises(BackboneError, match="'albert' cannot be cut"):
        cut(model_of(albert), 1, "mean", normalize=True)


def test_a_model_that_does_more_between_its_layers_is_refused():
    model = model_of(CONFIGS["bert"])
    inner = type(model.encoder).forward

    class Shifting(type(model.encoder)):
        def forward(self, states, *args, **kwargs):
            return inner(self, states + 0.5, *args, **kwargs)

    model.encoder.__class__ = Shifting
    with pytest.raises(BackboneError, match="cannot be cut"):
        cut(model, 1, "mean", normalize=True)
