"""Language modeling: whole words are hidden in the right shares, batches are the same for the same number."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertForMaskedLM, GPT2Config, GPT2LMHeadModel, T5Config, T5Model

from polyscene.backbone import Backbone, BackboneConfig
from polyscene.backbone.digests import ORIGIN
from polyscene.backbone.loading import load_tokenizer
from polyscene.backbone.pretraining import Corpus, mask_words
from polyscene.backbone.pretraining.language_model import LanguageModel, load_language_model
from polyscene.data.access import DataAccess
from polyscene.errors import BackboneError

WORDS = [f"word{number} of a longer text, number {number * 7}" for number in range(60)]


def test_words_are_hidden_whole_in_the_asked_shares() -> None:
    rng = np.random.default_rng(0)
    # Texts of 40 words of 1 to 3 tokens, between two special tokens.
    word = np.repeat(np.arange(40), np.arange(40) % 3 + 1)
    word_BL = np.tile(np.concatenate([[-1], word, [-1]]), (600, 1))
    ids_BL = rng.integers(10, 1000, word_BL.shape)
    seen_BL, asked_BL = mask_words(ids_BL, word_BL, rate=0.15, mask=3, others=np.arange(2000, 9000), rng=rng)
    assert not asked_BL[word_BL < 0].any()
    for number in range(40):
        part = asked_BL[:, word_BL[0] == number]
        assert (part.all(axis=1) | ~part.any(axis=1)).all(), "a word is hidden in part"
        assert 0.09 < part[:, 0].mean() < 0.21  # 0.15 expected, standard deviation 0.015
    assert asked_BL.any(axis=1).all(), "a text is asked for nothing"
    assert (seen_BL[~asked_BL] == ids_BL[~asked_BL]).all()
    seen, ids = seen_BL[asked_BL], ids_BL[asked_BL]
    shares = [(seen == 3).mean(), (seen >= 2000).mean(), (seen == ids).mean()]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.015)
    assert sum(shares) == pytest.approx(1)


def test_a_text_of_one_word_is_asked_for_it_and_a_text_of_none_for_nothing() -> None:
    word_BL = np.array([[-1, 0, -1], [-1, -1, -1]])
    _, asked = mask_words(
        np.full((2, 3), 7), word_BL, rate=0.01, mask=3, others=np.array([9]), rng=np.random.default_rng(0)
    )
    assert asked.tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize("rate", [0.15, None], ids=["masked", "causal"])
def test_batches_depend_on_seed_and_number_only(tiny: Path, rate: float | None) -> None:
    corpora = [Corpus(load_tokenizer(tiny), WORDS, 64, rate) for _ in range(2)]
    corpora[0].draw(0, 8, seed=1)
    first, again = (corpus.draw(11, 8, seed=1) for corpus in corpora)
    for name in ("ids_BL", "mask_BL", "position_M", "label_M"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.position_M, corpora[0].draw(11, 8, seed=2).position_M)


def test_a_pass_holds_every_text_once(tiny: Path) -> None:
    corpus = Corpus(load_tokenizer(tiny), WORDS, 64, 0.15)
    plain = {tuple(corpus.tokens.padded(np.array([i]))[0][0].tolist()) for i in range(len(WORDS))}
    passes = []
    for epoch in range(2):
        found = []
        for number in range(epoch * 7, epoch * 7 + 7):  # 60 texts are seven batches of 8, and 4 that wait
            batch = corpus.draw(number, 8, seed=0)
            whole = batch.ids_BL.flatten()
            whole[batch.position_M] = batch.label_M
            for ids, mask in zip(whole.view_as(batch.ids_BL), batch.mask_BL.bool(), strict=True):
                found.append(tuple(ids[mask].tolist()))
        assert len(found) == len(set(found)) == 56
        assert set(found) <= plain
        passes.append(found)
    assert passes[0] != passes[1]


def test_a_causal_model_is_asked_for_the_next_token(tiny: Path) -> None:
    corpus = Corpus(load_tokenizer(tiny), WORDS[:9], 64, None)
    batch = corpus.draw(0, 9, seed=0)
    assert len(batch.position_M) == batch.mask_BL.sum() - 9
    assert torch.equal(batch.ids_BL.flatten()[batch.position_M + 1], batch.label_M)


@pytest.fixture
def with_head(tiny: Path, tmp_path: Path) -> Path:
    """The tiny model with a masked-language head of its own."""
    torch.manual_seed(1)
    model = BertForMaskedLM.from_pretrained(tiny)
    model.cls.predictions.bias.data.normal_()
    model.save_pretrained(tmp_path / "with-head")
    load_tokenizer(tiny).save_pretrained(tmp_path / "with-head")
    return tmp_path / "with-head"


def test_the_loss_is_that_of_transformers(with_head: Path) -> None:
    model = load_language_model(with_head).eval()
    assert not model.new_head
    batch = Corpus(model.tokenizer, WORDS, 64, 0.15).draw(0, 8, seed=0)
    labels = torch.full_like(batch.ids_BL, -100)
    labels.view(-1)[batch.position_M] = batch.label_M
    whole = BertForMaskedLM.from_pretrained(with_head).eval()
    expected = whole(input_ids=batch.ids_BL, attention_mask=batch.mask_BL, labels=labels).loss
    assert model(*batch.to(torch.device("cpu"))).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_causal_loss_is_that_of_transformers(tiny: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=2, n_head=2)).save_pretrained(
        tmp_path
    )
    tokenizer.save_pretrained(tmp_path)
    model = load_language_model(tmp_path).eval()
    assert model.causal
    batch = Corpus(model.tokenizer, WORDS, 64, None).draw(0, 8, seed=0)
    labels = batch.ids_BL.masked_fill(batch.mask_BL == 0, -100)
    whole = GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    expected = whole(input_ids=batch.ids_BL, attention_mask=batch.mask_BL, labels=labels).loss
    assert model(*batch.to(torch.device("cpu"))).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_checkpoint_without_a_head_gets_one_that_shares_the_input_embeddings(tiny: Path) -> None:
    model = load_language_model(tiny, seed=3)
    assert model.new_head
    transformers_model = model.model
    assert transformers_model.get_output_embeddings().weight is transformers_model.get_input_embeddings().weight
    again = load_language_model(tiny, seed=3).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())


def test_a_head_alone_leaves_the_body_without_gradients_from_the_states(tiny: Path) -> None:
    model = load_language_model(tiny)
    model.head_only = True
    batch = Corpus(model.tokenizer, WORDS, 64, 0.15).draw(0, 8, seed=0)
    model(*batch.to(torch.device("cpu"))).backward()
    with_gradient = [name for name, p in model.body.named_parameters() if p.grad is not None]
    assert with_gradient == ["embeddings.word_embeddings.weight"]  # shared with the head; the loop drops it


def test_lora_moves_nothing_but_itself_and_merges_exactly(with_head: Path, tmp_path: Path) -> None:
    model = load_language_model(with_head).eval()
    plain = {name: p.clone() for name, p in model.named_parameters()}
    model.adapt(4, 8.0)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert all("lora_" in name for name in trained if ".bert." in name)
    assert sum("lora_" in name for name in trained) == 2 * 6 * 3  # A and B, six linear layers, three blocks
    for name, p in model.named_parameters():
        if "lora_" in name:
            p.data.normal_(std=0.3)
    batch = Corpus(model.tokenizer, WORDS, 64, 0.15).draw(0, 8, seed=0)
    before = model(*batch.to(torch.device("cpu"))).item()
    model.save(tmp_path / "merged")
    merged = load_language_model(tmp_path / "merged").eval()
    assert merged(*batch.to(torch.device("cpu"))).item() == pytest.approx(before, rel=1e-4)
    assert sorted(name for name, _ in merged.named_parameters()) == sorted(plain)


def saved(model: LanguageModel, folder: Path) -> Backbone:
    model.save(folder)
    config = BackboneConfig(model=str(folder), dtype="float32")
    return Backbone(config, DataAccess(cache=folder.parent), progress=False)


def test_what_is_saved_is_a_backbone_and_its_key_follows_the_weights(tiny: Path, tmp_path: Path) -> None:
    model = load_language_model(tiny)
    untouched = saved(model, tmp_path / "untouched")
    original = Backbone(
        BackboneConfig(model=str(tiny), dtype="float32"), DataAccess(cache=tmp_path), progress=False
    )
    texts = ["a text", "another one, longer"]
    assert torch.allclose(untouched.embed(texts), original.embed(texts), atol=1e-6)
    next(model.body.parameters()).data[5, 0] += 1.0
    moved = saved(model, tmp_path / "moved")
    assert len({untouched.key, moved.key, original.key}) == 3
    assert not torch.allclose(moved.embed(texts), original.embed(texts), atol=1e-6)
    # What it came from is told beside it and says nothing about what it computes.
    (tmp_path / "moved" / ORIGIN).write_text("{}")
    again = Backbone(moved.config, DataAccess(cache=tmp_path), progress=False)
    assert again.key == moved.key


def test_the_real_minilm_gets_a_head_that_knows_nothing_yet(minilm: Path) -> None:
    model = load_language_model(minilm).eval()
    assert model.new_head
    texts = ["jazz and slow piano", "heavy metal from norway", "a comedy about two thieves", "fresh orange juice"]
    batch = Corpus(model.tokenizer, texts, 16, 0.3).draw(0, 4, seed=0)
    with torch.inference_mode():
        assert model(*batch.to(torch.device("cpu"))).item() == pytest.approx(math.log(30522), rel=0.3)


def test_models_without_such_a_head_are_refused(tmp_path: Path, tiny: Path) -> None:
    T5Model(
        T5Config(vocab_size=80, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
    ).save_pretrained(tmp_path)
    load_tokenizer(tiny).save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="neither a masked nor a causal"):
        load_language_model(tmp_path)


def test_weights_of_another_model_are_refused(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = load_language_model(tiny)
    model.save(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file({name: v for name, v in state.items() if "layer.1" not in name}, tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match="the weights lack"):
        load_language_model(tmp_path)
