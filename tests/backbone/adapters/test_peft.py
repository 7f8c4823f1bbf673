"""Saved adapters are peft's: its own code reads them and gives the same vectors, and we read what it wrote."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
from torch import nn

from polyscene.backbone.adapters.save import export_peft
from tests.backbone.adapters.worlds import KINDS, TEXTS, backbone, filled, inputs, one, vectors, whole_model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is known about the real model's files, which take a moment to read."""
    return tmp_path_factory.mktemp("store")


TOLERANCE = {"atol": 1e-5, "rtol": 0}
TWO = ("video", "music")


@pytest.mark.parametrize(
    ("kind", "tune"),
    [("lora", "suffix"), ("lora", "full"), ("adalora", "suffix"), ("ia3", "suffix"), ("prefix", "full")],
)
def test_peft_gives_the_same_vectors_for_a_saved_adapter(
    minilm: Path, store: Path, tmp_path: Path, kind: str, tune: str
) -> None:
    of = backbone(minilm, store, KINDS[kind], tune)
    suffix = filled(of.suffix_module(), *TWO)
    folders = export_peft(suffix, tmp_path / "adapters")
    assert [folder.name for folder in folders] == list(TWO)
    theirs = vectors(peft.PeftModel.from_pretrained(whole_model(minilm), folders[1]).eval(), minilm)
    with torch.no_grad():
        ours = suffix(*inputs(of), one(1, len(TEXTS)))
    torch.testing.assert_close(ours, theirs, **TOLERANCE)
    plain = vectors(whole_model(minilm), minilm)
    assert (theirs - plain).abs().max() > 1e-3, "the adapter does something"


CONFIGS = {
    "lora": lambda **where: peft.LoraConfig(r=4, lora_alpha=4, target_modules=["query", "value"], **where),
    "adalora": lambda **where: peft.AdaLoraConfig(
        init_r=4, lora_alpha=3, target_modules=["query", "value"], total_step=10, **where
    ),
    "ia3": lambda layers_to_transform: peft.IA3Config(
        # peft's (IA)3 chooses layers by pattern only.
        target_modules=rf".*layer\.{layers_to_transform}\.(.*\.key|.*\.value|.*output\.dense)",
        feedforward_modules=r".*output\.dense",
    ),
}


def by_peft(folder: Path, config: peft.PeftConfig) -> nn.Module:
    """A whole model with an adapter that peft made and random numbers trained."""
    config.task_type = "FEATURE_EXTRACTION"
    torch.manual_seed(3)
    model = peft.get_peft_model(whole_model(folder), config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    ("kind", "layers"), [("lora", [4, 5]), ("lora", [5]), ("adalora", [4, 5]), ("ia3", [4, 5])], ids=str
)
def test_an_adapter_of_peft_joins_the_bank(
    minilm: Path, store: Path, tmp_path: Path, kind: str, layers: list[int]
) -> None:
    model = by_peft(minilm, CONFIGS[kind](layers_to_transform=layers))
    model.save_pretrained(tmp_path / "theirs")
    of = backbone(minilm, store, {**KINDS[kind], "init": {"music": str(tmp_path / "theirs")}})
    suffix = of.suffix_module()
    assert (suffix.join("video"), suffix.join("music")) == (0, 1)
    states, mask = inputs(of)
    with torch.no_grad():
        torch.testing.assert_close(suffix(states, mask, one(1, 4)), vectors(model, minilm), **TOLERANCE)
        torch.testing.assert_close(
            suffix(states, mask, one(0, 4)), vectors(whole_model(minilm), minilm), **TOLERANCE
        )


def test_a_prefix_of_peft_joins_the_bank(minilm: Path, store: Path, tmp_path: Path) -> None:
    model = by_peft(minilm, peft.PrefixTuningConfig(num_virtual_tokens=3))
    model.save_pretrained(tmp_path / "theirs")
    options = {**KINDS["prefix"], "init": {"video": str(tmp_path / "theirs")}}
    of = backbone(minilm, store, options, tune="full")
    suffix = of.suffix_module()
    suffix.join("video")
    with torch.no_grad():
        torch.testing.assert_close(suffix(*inputs(of), one(0, 4)), vectors(model, minilm), **TOLERANCE)
        cached = of.token_states(TEXTS).gather(range(4))  # in 16 bits
        torch.testing.assert_close(suffix(*cached, one(0, 4)), vectors(model, minilm), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("kind", "tune"), [*((kind, "suffix") for kind in KINDS), ("prefix", "full")])
def test_a_saved_adapter_comes_back_in_the_next_run(tiny: Path, tmp_path: Path, kind: str, tune: str) -> None:
    of = backbone(tiny, tmp_path / "cache", KINDS[kind], tune)
    suffix = filled(of.suffix_module(), *TWO)
    export_peft(suffix, tmp_path / "adapters")
    again = backbone(
        tiny, tmp_path / "cache", {**KINDS[kind], "init": {"tv": str(tmp_path / "adapters" / "music")}}, tune
    ).suffix_module()
    again.join("tv")
    for name, parameter in again.scenario_parameters().items():
        assert torch.equal(parameter[0], suffix.scenario_parameters()[name][1]), name
    about = json.loads((tmp_path / "adapters" / "music" / "polyscene.json").read_text())
    assert about["scenario"] == "music"
    has_config = (tmp_path / "adapters" / "music" / "adapter_config.json").exists()
    assert about["loads_with_peft"] is has_config
    assert has_config is (kind in ("lora", "adalora", "ia3") or (kind == "prefix" and tune == "full"))


def test_targets_are_those_that_peft_takes() -> None:
    from peft.utils import constants

    from polyscene.backbone.adapters.install import _BERT

    assert list(_BERT.lora) == constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING["bert"]
    assert list(_BERT.lora) == constants.TRANSFORMERS_MODELS_TO_ADALORA_TARGET_MODULES_MAPPING["bert"]
    assert list(_BERT.ia3) == constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING["bert"]
    assert list(_BERT.ia3_inputs) == constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING["bert"]
