"""Models that cannot be used are refused with what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2Model, T5Config, T5Model

from polyscene.errors import BackboneError


@pytest.fixture
def broken(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to damage."""
    return Path(shutil.copytree(tiny, tmp_path / "broken"))


def test_a_folder_without_weights(build, broken):
    (broken / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match="no safetensors weights") as caught:
        build(model=str(broken)).embed(["a"])
    assert str(broken) in str(caught.value)


def test_a_folder_with_pickled_weights_only(build, broken):
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(BackboneError, match=r"pytorch_model.bin.*can run code"):
        build(model=str(broken)).embed(["a"])


def test_a_folder_without_config(build, broken):
    (broken / "config.json").unlink()
    with pytest.raises(BackboneError, match=r"no config\.json"):
        _ = build(model=str(broken)).key


def test_a_broken_config(build, broken):
    (broken / "config.json").write_text("{")
    with pytest.raises(BackboneError, match=r"config\.json cannot be read"):
        _ = build(model=str(broken)).embedding_dim


def test_a_folder_without_tokenizer(build, broken):
    for name in ("vocab.txt", "tokenizer.json"):
        (broken / name).unlink(missing_ok=True)
    with pytest.raises(BackboneError, match=r"no tokenizer"):
        build(model=str(broken)).embed(["a"])


def test_a_broken_tokenizer(build, broken):
    (broken / "tokenizer.json").write_text("{}")
    with pytest.raises(BackboneError, match="tokenizer cannot be loaded"):
        build(model=str(broken)).embed(["a"])


def test_truncated_weights(build, broken):
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BackboneError, match="model cannot be loaded"):
        build(model=str(broken)).embed(["a"])


def test_weights_of_another_shape(build, broken):
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(BackboneError, match="model cannot be loaded"):
        build(model=str(broken)).embed(["a"])


def test_weights_that_lack_tensors(build, broken):
    weights = broken / "model.safetensors"
    tensors = {name: value for name, value in load_file(weights).items() if "layer.1." not in name}
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(BackboneError, match="the weights lack 16 of the model's tensors"):
        build(model=str(broken)).embed(["a"])


def test_weights_without_the_unused_pooler(build, broken):
    weights = broken / "model.safetensors"
    tensors = {name: value for name, value in load_file(weights).items() if not name.startswith("pooler.")}
    save_file(tensors, weights, metadata={"format": "pt"})
    assert torch.equal(build(model=str(broken)).embed(["a"]), build("other").embed(["a"]))


def test_more_tokens_than_positions(build):
    with pytest.raises(BackboneError, match="max_len=65 is more than the model's 64 positions"):
        build(max_len=65).embed(["a"])


def test_an_unknown_hub_id_without_network(build):
    with pytest.raises(BackboneError, match="not on this machine and could not be fetched") as caught:
        build(model="nobody/no-such-model").embed(["a"])
    assert "local folder" in str(caught.value)


def test_neither_a_folder_nor_a_hub_id(build):
    with pytest.raises(BackboneError, match="neither a folder nor a hub id"):
        build(model="./no/such/folder").embed(["a"])


def test_a_hub_id_from_the_local_hub_cache(tiny, tmp_path):
    """In a process of its own: the hub's cache folder is read when its library is imported."""
    model = tmp_path / "hub" / "models--someone--tiny"
    shutil.copytree(tiny, model / "snapshots" / "abc")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc")
    code = (
        "import sys, pathlib; from polyscene.backbone import *; from polyscene.data.access import DataAccess;"
        "b = Backbone(BackboneConfig(model='someone/tiny'), DataAccess(cache=pathlib.Path(sys.argv[1])));"
        "print(b.folder.name, b.embed(['a', 'b']).shape[1])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.split() == ["abc", "32"], result.stderr


def other_model(model, tiny: Path, folder: Path) -> str:
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        if (tiny / name).exists():
            shutil.copy(tiny / name, folder)
    return str(folder)


def test_a_decoder_is_no_encoder(build, tiny, tmp_path):
    gpt2 = GPT2Model(GPT2Config(vocab_size=90, n_positions=64, n_embd=32, n_layer=1, n_head=2))
    folder = other_model(gpt2, tiny, tmp_path / "gpt2")
    with pytest.raises(BackboneError, match="'gpt2' reads from left to right"):
        build(model=folder).embed(["a"])
    assert build(model=folder, pooling="last").embed(["a", "abc"]).shape == (2, 32)


def test_an_encoder_decoder_is_refused(build, tiny, tmp_path):
    t5 = T5Model(T5Config(vocab_size=90, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2))
    with pytest.raises(BackboneError, match="encoder with a decoder"):
        build(model=other_model(t5, tiny, tmp_path / "t5")).embed(["a"])
