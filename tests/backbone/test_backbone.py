"""Texts in, vectors out, each text through the network once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from polyscene.backbone import precision
from polyscene.backbone.config import POOLINGS
from polyscene.errors import BackboneError, ConfigError

TEXTS = [
    "Toy Story. 1995. Animation Children's Comedy",
    "KIDS CEREAL. COLD CEREAL. GROCERY. National brand. 14.5 OZ",
    "Heat",
    "",
    "Diary of Dreams. German, darkwave, gothic, industrial, " * 5,
    "naïve café 日本語 \U0001f3b5",
]


def one_at_a_time(folder: Path, texts: list[str], pooling: str, max_len: int = 64) -> torch.Tensor:
    """The reference: plain transformers, one text per forward pass, no padding."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    rows = []
    with torch.no_grad():
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=max_len, return_tensors="pt")
            states = model(**inputs).last_hidden_state[0]
            rows.append({"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling])
    return functional.normalize(torch.stack(rows), dim=1)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_minilm_equals_plain_transformers(build, minilm, pooling):
    vectors = build(model=str(minilm), pooling=pooling, batch_tokens=128).embed(TEXTS)
    torch.testing.assert_close(vectors, one_at_a_time(minilm, TEXTS, pooling), atol=1e-5, rtol=0)


def test_minilm_in_bfloat16_is_close(build, minilm):
    low = build(model=str(minilm), dtype="bfloat16")
    cosines = functional.cosine_similarity(low.embed(TEXTS), one_at_a_time(minilm, TEXTS, "mean"), dim=1)
    assert low.dtype == torch.bfloat16
    assert 0.999 <= cosines.min() < 1 - 1e-7  # close, and not float32 by mistake


def test_minilm_suffix_on_stored_states_is_close_to_the_whole(build, minilm):
    backbone = build(model=str(minilm), tune="suffix")
    states, mask = backbone.token_states(TEXTS).gather(range(len(TEXTS)))
    vectors = backbone.suffix_module()(states, mask)
    torch.testing.assert_close(
        vectors, one_at_a_time(minilm, TEXTS, "mean"), atol=1e-3, rtol=0
    )  # states in 16 bits


def test_order_duplicates_and_empty_texts(build):
    backbone = build()
    texts = ["b", "a", "", "b", "a long text of many letters", "b"]
    vectors = backbone.embed(texts)
    assert backbone.forwards == 4
    assert vectors.shape == (6, 32)
    assert vectors.dtype == torch.float32
    assert torch.equal(vectors[0], vectors[3])
    assert torch.equal(vectors[0], vectors[5])
    assert torch.equal(backbone.embed(texts[::-1]), vectors.flip(0))
    assert torch.isfinite(vectors).all()
    assert backbone.forwards == 4


def test_a_vector_does_not_depend_on_the_other_texts(build, tiny):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abc "), size=rng.integers(0, 70))) for _ in range(25)]
    together = build(batch_tokens=256).embed(texts)
    alone = build("alone", batch_tokens=1).embed(texts)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(together, one_at_a_time(tiny, texts, "mean"), atol=1e-5, rtol=0)


def test_texts_are_committed_in_chunks(build, monkeypatch, tmp_path):
    texts = [f"word {i}" * (i % 5) for i in range(50)]  # ten of them empty
    whole = build("whole").embed(texts)
    monkeypatch.setattr("polyscene.backbone.filling.CHUNK", 7)
    torch.testing.assert_close(build().embed(texts), whole, atol=1e-5, rtol=0)
    assert len(list(tmp_path.glob("activations/*/*.safetensors"))) == 6  # 41 texts by 7


def test_no_texts(build):
    backbone = build()
    assert backbone.embed([]).shape == (0, 32)
    assert len(build(tune="suffix").token_states([])) == 0
    assert backbone.forwards == 0


def test_lone_surrogates_do_not_stop_an_encoding(build):
    assert torch.equal(*build().embed(["a\ud800b", "a?b"]))


@pytest.mark.parametrize("wrong", [None, 3.0, b"bytes"])
def test_texts_that_are_no_strings(build, wrong):
    with pytest.raises(BackboneError, match="text 1 is a"):
        build().embed(["a", wrong])


def test_wrong_options(build):
    with pytest.raises(ConfigError, match="pooling"):
        build(pooling="max")


def test_states_and_suffix_equal_the_whole(build):
    texts = ["b", "a", "", "b", "a long text of many letters"]
    backbone = build(tune="suffix", suffix_layers=2)
    assert len(backbone.token_states(texts)) == 5
    states, mask = backbone.token_states(texts).gather(np.array([4, 0, 2, 3]))
    assert states.shape == (4, int(mask.sum(1).max()), 32)
    expected = build("other").embed([texts[i] for i in (4, 0, 2, 3)])
    torch.testing.assert_close(backbone.suffix_module()(states, mask), expected, atol=2e-3, rtol=0)
    assert backbone.forwards == 4
    assert build(tune="suffix", suffix_layers=2).token_states(texts).lengths.tolist() == [3, 3, 2, 3, 24]


@pytest.mark.parametrize(
    "other",
    [{"max_len": 32}, {"pooling": "cls"}, {"normalize": False}, {"dtype": "bfloat16"}, {"tune": "suffix"}],
    ids=str,
)
def test_every_option_that_matters_changes_the_key(build, other):
    assert build(**other).key != build().key


def test_options_that_do_not_matter_leave_the_key(build):
    assert build(name="other", batch_tokens=7, suffix_layers=1).key == build().key
    assert build(tune="suffix", suffix_layers=1).key != build(tune="suffix").key
    assert build(tune="suffix", pooling="cls").key == build(tune="suffix").key


def test_the_key_is_of_the_content_and_not_of_the_path(build, tiny, tmp_path):
    copied = Path(shutil.copytree(tiny, tmp_path / "copied"))
    assert build(model=str(copied)).key == build().key
    tokenizer = copied / "tokenizer_config.json"
    tokenizer.write_text(json.dumps({**json.loads(tokenizer.read_text()), "do_lower_case": False}))
    assert build(model=str(copied)).key != build().key


def test_unchanged_weights_are_hashed_once(build, monkeypatch):
    key = build().key
    monkeypatch.setattr("hashlib.file_digest", lambda *args: pytest.fail("a known file was read again"))
    assert build().key == key


def test_a_model_too_coarse_in_bfloat16_falls_back_and_says_so(build, monkeypatch, caplog):
    monkeypatch.setattr(precision, "LEAST_COSINE", 1.1)
    backbone = build(dtype="bfloat16")
    vectors = backbone.embed(["a", "b"])
    assert "using float32" in caplog.text
    assert torch.equal(vectors, build("other").embed(["a", "b"]))
    caplog.clear()
    later = build(dtype="bfloat16")
    assert later.key == build().key
    later.embed(["a", "b", "c"])
    assert later.forwards == 1
    assert not caplog.text


def test_auto_is_bfloat16_where_the_hardware_has_it(build, monkeypatch):
    for native, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(precision, "natively_bfloat16", lambda device, native=native: native)
        assert build(dtype="auto").dtype == dtype


def test_a_damaged_shard_is_encoded_again(build, caplog, tmp_path):
    vectors = build().embed(["a", "b", "c"])
    shard = next(tmp_path.glob("activations/*/*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    again = build()
    assert torch.equal(again.embed(["a", "b", "c"]), vectors)
    assert again.forwards == 3
    assert "damaged" in caplog.text


def test_a_second_process_encodes_nothing_and_loads_no_transformers(build, encode_in_process, answer):
    vectors = build().embed([f"word {i}" for i in range(20)])
    second = answer(encode_in_process(0, 20))
    assert second["forwards"] == 0
    assert not second["transformers"]
    assert second["shape"] == list(vectors.shape)


def test_two_processes_at_once(build, encode_in_process, answer, tmp_path):
    processes = [encode_in_process(0, 400), encode_in_process(200, 600)]
    assert [answer(process)["shape"][0] for process in processes] == [400, 400]
    backbone = build()
    vectors = backbone.embed([f"word {i}" for i in range(600)])
    assert backbone.forwards == 0
    torch.testing.assert_close(vectors, build("other").embed([f"word {i}" for i in range(600)]))
    stored = sum(shard.stat().st_size for shard in tmp_path.glob("activations/*/*.safetensors"))
    assert stored < 600 * (32 * 4 + 16 + 8) + 16 * 400  # no text twice; the rest are file headers
    assert not list(tmp_path.glob("activations/*/*.part"))


def test_a_killed_encoding_resumes_with_what_is_missing(build, encode_in_process, tmp_path):
    killed = encode_in_process(0, 300, "--kill-at", 6)  # two small files come first: file digests, about.json
    killed.communicate(timeout=120)
    assert killed.returncode == -9
    assert list(tmp_path.glob("activations/*/*.part"))
    assert len(list(tmp_path.glob("activations/*/*.safetensors"))) == 3
    resumed = build()
    vectors = resumed.embed([f"word {i}" for i in range(300)])
    assert resumed.forwards == 300 - 3 * 50
    assert not list(tmp_path.glob("activations/*/*.part"))
    torch.testing.assert_close(vectors, build("other").embed([f"word {i}" for i in range(300)]))


def test_a_full_disk_leaves_nothing_half_written(build, encode_in_process, answer, tmp_path):
    found = answer(encode_in_process(0, 1000, "--limit", 20_000))
    assert "cannot write" in found["error"]
    assert "nothing was left half-written" in found["error"]
    assert not list(tmp_path.glob("activations/*/*.part"))
    assert not list(tmp_path.glob("activations/*/*.safetensors"))
    backbone = build()
    backbone.embed([f"word {i}" for i in range(1000)])
    assert backbone.forwards == 1000


def test_synonyms_are_the_nearest_words_and_are_remembered(build, minilm):
    words = ["movie", "quick", "zzqx", "of"]
    found = build(model=str(minilm)).synonyms(words)
    assert "film" in found["movie"]
    assert found["zzqx"] == found["of"] == []
    assert all(word not in near for word, near in found.items())
    again = build(model=str(minilm))
    again._load = None  # a second run loads no model
    assert again.synonyms(words) == found
