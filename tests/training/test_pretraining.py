"""Further training on texts: a run ends in a usable backbone, resumes exactly, and says what it did harm to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from polyscene.backbone.digests import ORIGIN
from polyscene.backbone.pretraining import Corpus
from polyscene.backbone.pretraining.language_model import load_language_model
from polyscene.config.compose import compose
from polyscene.config.pretrain import PretrainConfig, check_pretrain, prepare_pretrain
from polyscene.config.resolve import resolve_train
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError, DataError, PolysceneError, Problems
from polyscene.evaluation.texts import crowding, halves
from polyscene.training.checkpoint import unique_state
from polyscene.training.pretraining import pretrain
from polyscene.training.pretraining.loop import LanguageFitting
from polyscene.training.pretraining.report import harm
from polyscene.training.pretraining.texts import training_texts
from polyscene.training.run import train
from tests.backbone.conftest import tiny as tiny_bert
from tests.tiny import SMALL, tiny_host, tiny_session

tiny = tiny_bert
WITH_TEXT = {"columns": {"items": {"id": "id", "text": "text"}}}
SHORT = [
    "trainer.steps=4",
    "trainer.eval_every=2",
    "trainer.warmup=1",
    "trainer.batch_rows=8",
    "trainer.lr=0.003",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "head_steps=3",
    "backbone.max_len=32",
    "backbone.dtype=float32",
]


@pytest.fixture
def config(tiny: Path, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """Makes configs of a few steps on the tiny model and the tiny shop's texts."""

    def make(*overrides: str, shop: dict[str, Any] = WITH_TEXT, run: str = "run") -> PretrainConfig:
        words = ["scenario=[]", *SHORT, f"backbone.model={tiny}", f"data.cache={tmp_path}", *overrides]
        mapping = compose("pretrain", words, tiny_host())
        mapping["scenario"] = {"shop": shop}
        mapping["run"] = {"dir": str(tmp_path / run)}
        problems = Problems("config")
        checked = check_pretrain(mapping, tiny_host(), problems)
        problems.raise_if_any(ConfigError)
        assert checked is not None
        return checked

    return make


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_a_run_ends_in_a_backbone_that_training_reads(
    config: Callable[..., PretrainConfig], tune: str, tmp_path: Path
) -> None:
    folder = pretrain(config(f"tune={tune}", "rank=4"), tiny_host())
    assert folder == tmp_path / "run" / "backbone"
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == ["backbone"]
    document = json.loads((folder / ORIGIN).read_text())
    assert document["objective"] == "masked"
    assert document["new_head"]
    assert [point["step"] for point in document["perplexity"]] == [3, 5, 7]
    assert document["perplexity"][2]["held_out"] < document["perplexity"][0]["held_out"]
    for figure in document["figures"].values():
        assert figure["before"]["count"] == figure["after"]["count"] > 1
    assert "content NDCG@10, shop" in document["figures"]
    words = ["experiment=none", "scenario=[]", *SMALL, "trainer.steps=2", f"backbone.model={folder}"]
    mapping = compose("train", [*words, "backbone.max_len=32", f"data.cache={tmp_path}"], tiny_host())
    mapping |= {"scenario": {"shop": WITH_TEXT}, "run": {"dir": str(tmp_path / "trained")}}
    results = json.loads((train(resolve_train(mapping, tiny_host()), tiny_host()) / "metrics.json").read_text())
    assert results["results"]


def test_texts_are_those_of_training_rows(config: Callable[..., PretrainConfig]) -> None:
    loaded = tiny_session(config()).load().scenarios
    texts = training_texts(loaded, held_out=0.25, seed=0)
    shop = loaded["shop"]
    rows = shop.split.phase_R == Phase.TRAIN
    expected = set(shop.tables.items["text"].iloc[sorted(set(shop.tables.item_R[rows]))])
    cold = set(shop.tables.items["text"]) - expected
    assert cold, "there must be items that training does not see"
    assert set(texts.learned) | set(texts.held) == expected
    assert not set(texts.learned) & set(texts.held)
    assert len(texts.held) == round(0.25 * len(expected))


class Interrupted(Exception):
    """Stands for a killed process."""


def test_an_interrupted_run_ends_as_one_that_was_not(
    config: Callable[..., PretrainConfig], tmp_path: Path
) -> None:
    options = config("trainer.accumulate=2")
    texts = training_texts(tiny_session(options).load().scenarios, 0.2, 0)

    def run(folder: Path, stop: int = 0) -> dict[str, torch.Tensor]:
        def advance(step: int) -> None:
            if stop and step == stop:
                raise Interrupted

        model = load_language_model(Path(options.backbone.model), options.seed)
        learned, held = (Corpus(model.tokenizer, some, 32, 0.15) for some in (texts.learned, texts.held))
        fabric = Fabric(accelerator="cpu", devices=1)
        LanguageFitting(model, learned, held, options, fabric, folder, advance).run()
        return {name: value.clone() for name, value in unique_state(model).items()}

    whole = run(tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(tmp_path / "parts", stop=6)
    assert json.loads((tmp_path / "parts" / "training.json").read_text())["step"] == 5
    resumed = run(tmp_path / "parts")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_the_body_stays_while_the_head_is_new(config: Callable[..., PretrainConfig], tmp_path: Path) -> None:
    options = config("trainer.lr=0.0", "trainer.weight_decay=0.0")
    texts = training_texts(tiny_session(options).load().scenarios, 0.2, 0)
    model = load_language_model(Path(options.backbone.model), 0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    corpora = [Corpus(model.tokenizer, some, 32, 0.15) for some in (texts.learned, texts.held)]
    LanguageFitting(model, *corpora, options, Fabric(accelerator="cpu", devices=1), tmp_path).run()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(".cls." in name for name in moved)


def test_a_finished_folder_is_not_touched(config: Callable[..., PretrainConfig], tmp_path: Path) -> None:
    (tmp_path / "run" / "backbone").mkdir(parents=True)
    with pytest.raises(ConfigError, match="holds a finished backbone"):
        pretrain(config(), tiny_host())
    assert not (tmp_path / "run" / "resolved.yaml").exists()


def test_without_texts_there_is_nothing_to_learn(config: Callable[..., PretrainConfig]) -> None:
    with pytest.raises(DataError, match="0 different texts"):
        pretrain(config(shop={}), tiny_host())


def test_everything_wrong_is_told_at_once() -> None:
    words = ["scenario=video", "tune=half", "mask=2", "adapter=gate", "model.d_model=8", "backbone.tune=suffix"]
    with pytest.raises(PolysceneError) as caught:
        prepare_pretrain(words, tiny_host())
    for word in ("'tune'", "'mask'", "'adapter=gate'", "'model.d_model=8'"):
        assert word in str(caught.value)


def test_the_other_half_is_found_where_vectors_say_what_texts_are_about() -> None:
    texts = [f"topic{number} a topic{number} b" for number in range(30)]

    def embed(some: list[str]) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.tensor([int(one.split()[0][5:]) for one in some]), 30).float()

    perfect = halves(texts, embed)
    assert perfect is not None
    assert (perfect.value, perfect.error, perfect.count) == (1.0, 0.0, 30)
    same = halves(texts, lambda some: torch.ones(len(some), 3))
    assert same is not None
    assert same.value == pytest.approx(2 / 31)  # ties share their places
    assert crowding(texts, embed).value == pytest.approx(0.0)
    assert crowding(texts, lambda some: torch.ones(len(some), 3)).value == pytest.approx(1.0)
    assert halves(["too short", "a few words"], embed) is None


def test_harm_is_said() -> None:
    def figure(before: float, after: float) -> dict[str, Any]:
        return {
            side: {"value": v, "error": 0.01, "count": 9} for side, v in (("before", before), ("after", after))
        }

    document = {
        "perplexity": [{"step": 0, "held_out": 9.0}, {"step": 5, "held_out": 8.0}],
        "figures": {
            "content NDCG@10, shop": figure(0.2, 0.195),
            "mean cosine of different texts": figure(0.1, 0.15),
        },
    }
    assert harm(document) == []
    document["figures"] = {
        "content NDCG@10, shop": figure(0.2, 0.18),
        "mean cosine of different texts": figure(0.1, 0.4),
    }
    [line] = harm(document)
    assert "content NDCG@10, shop went from 0.2000 to 0.1800" in line
    assert "mean cosine" in line
