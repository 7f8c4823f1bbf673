"""``backbone.tune=suffix``: the last layers learn with the model, and start as the frozen backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning_fabric import Fabric
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.backbone import Backbone, BackboneConfig, Suffix, TokenStates
from polyscene.data.access import DataAccess
from polyscene.data.columns import Text
from polyscene.errors import CheckpointError
from polyscene.features.encoder import FitContext, SharedModules
from polyscene.features.text import TextEncoder, TextEncoderConfig
from polyscene.training.assembly import build_model
from polyscene.training.checkpoint import save_adapters, save_model
from polyscene.training.files import read_json
from polyscene.training.fit import Fitting, Progress
from polyscene.training.loading import Loaded
from polyscene.training.session import Session
from tests.tiny import FACTS, SHOP, tiny_config, tiny_session

TEXTS = ["red shoes", "", "a", "red shoes", "a long walk by the sea", None]
ROWS = torch.arange(len(TEXTS))


def encoder(backbone: Backbone, shared: SharedModules | None = None, **options: Any) -> TextEncoder:
    """A text encoder of :data:`TEXTS` whose projection is the same for every backbone."""
    torch.manual_seed(0)
    shared = shared or SharedModules()
    shared.get("text", lambda: torch.nn.Linear(backbone.embedding_dim, 8))
    context = FitContext(
        8,
        np.ones(len(TEXTS), dtype=bool),
        shared,
        embed_texts=backbone.embed,
        embedding_dim=backbone.embedding_dim,
        owner="shop/items",
        tunable=backbone if backbone.config.tune != "frozen" else None,
    )
    made = TextEncoder(TextEncoderConfig(**options), Text())
    made.fit(pd.Series(TEXTS), context)
    made.no_text_d.data.fill_(0.5)
    made.bind(pd.Series(TEXTS), context)
    return made


@pytest.mark.parametrize(
    "options",
    [
        {"tune": "suffix", "suffix_layers": 1},
        {"tune": "suffix"},
        {"tune": "full"},
        {"tune": "suffix", "peft": "lora"},
        {"tune": "full", "peft": "bottleneck"},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_at_the_start_it_is_the_frozen_encoder(build: Callable[..., Backbone], options: dict[str, Any]) -> None:
    frozen = encoder(build())
    tuned = encoder(build(**options))
    torch.testing.assert_close(tuned(ROWS), frozen(ROWS), atol=1e-3, rtol=0)
    assert tuned.is_costly
    assert not frozen.is_costly
    assert not frozen.shared.keys() & {"suffix"}


def test_with_states_in_full_precision_it_is_the_frozen_encoder_to_rounding(
    build: Callable[..., Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = build(tune="suffix", suffix_layers=1)
    tokenizer, model = backbone._tokenizer, backbone._cut()[0]

    def token_states(texts: list[str]) -> TokenStates:
        with torch.inference_mode():
            states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]
        length_n = np.array([len(state) for state in states])
        values = torch.cat(states).clone()
        start_n = np.cumsum(length_n) - length_n
        zero_n = np.zeros_like(length_n)
        return TokenStates([values], shard_n=zero_n, start_n=start_n, length_n=length_n, width=values.shape[1])

    monkeypatch.setattr(backbone, "token_states", token_states)
    torch.testing.assert_close(encoder(backbone)(ROWS), encoder(build())(ROWS), atol=1e-5, rtol=0)


def test_minilm_starts_as_the_frozen_minilm(minilm: Path, tmp_path: Path) -> None:
    def of(tune: str) -> TextEncoder:
        config = BackboneConfig(model=str(minilm), dtype="float32", tune=tune)
        return encoder(Backbone(config, DataAccess(cache=tmp_path), progress=False))

    tuned, frozen = of("suffix"), of("frozen")
    torch.testing.assert_close(tuned(ROWS), frozen(ROWS), atol=1e-3, rtol=0)


def test_any_shape_of_rows_and_any_portion_gives_the_same(
    build: Callable[..., Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = encoder(build(tune="suffix", suffix_layers=1))
    expected = tuned(ROWS)
    assert torch.equal(expected[1], tuned.no_text_d)
    torch.testing.assert_close(tuned(ROWS.view(2, 3)), expected.view(2, 3, -1))
    monkeypatch.setattr("polyscene.features.text._PORTION_TOKENS", 1)
    with torch.no_grad():
        torch.testing.assert_close(tuned(ROWS), expected)
    assert tuned(ROWS[:0]).shape == (0, 8)


def test_a_table_without_any_text(build: Callable[..., Backbone], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.backbone.test_tuned_texts.TEXTS", ["", None])
    tuned = encoder(build(tune="suffix", suffix_layers=1))
    vectors = tuned(torch.arange(2))
    vectors.sum().backward()
    assert torch.equal(vectors, tuned.no_text_d.expand(2, -1))


def test_columns_share_the_layers_which_stay_in_eval_mode_and_learn(build: Callable[..., Backbone]) -> None:
    shared, backbone = SharedModules(), build(tune="suffix", suffix_layers=1)
    first, second = encoder(backbone, shared), encoder(backbone, shared, own_projection=True)
    suffix = first.shared["suffix"]
    assert isinstance(suffix, Suffix)
    assert second.shared["suffix"] is suffix
    shared.train()
    assert not any(module.training for module in suffix.modules())
    first(ROWS).square().sum().backward()
    trainable = [(name, p) for name, p in suffix.named_parameters() if p.requires_grad]
    assert len(trainable) > 10
    # A bias on keys adds the same to every score of a query, so softmax leaves it no gradient but rounding.
    assert not [name for name, p in trainable if p.grad is None or (not p.grad.any() and "key.bias" not in name)]


def test_a_step_does_not_wait_for_the_host(build: Callable[..., Backbone]) -> None:
    shared = SharedModules()
    tuned = encoder(build(tune="suffix", suffix_layers=1), shared).to("meta")
    shared.to("meta")
    with FakeTensorMode(allow_non_fake_inputs=True):
        loss = tuned(torch.zeros(2, 3, dtype=torch.int64, device="meta")).square().sum()
        loss.backward()
    assert loss.device.type == "meta"


class TestTraining:
    """Whole trainings of two scenarios, one of which reads texts."""

    @pytest.fixture
    def world(self, tiny: Path, tmp_path: Path) -> Callable[..., tuple[Session, Loaded]]:
        def make(tune: str = "suffix", *overrides: str, peft: Any = None) -> tuple[Session, Loaded]:
            config = tiny_config("", (SHOP, FACTS), "trainer.steps=4", "trainer.eval_every=2", *overrides)
            config.data.cache = str(tmp_path / "cache")
            config.backbone = BackboneConfig(
                model=str(tiny), dtype="float32", tune=tune, suffix_layers=1, max_len=8, peft=peft
            )
            session = tiny_session(config)
            loaded = session.load()
            shop = loaded.scenarios[SHOP]
            columns = (Text(), *shop.scenario.item_columns)
            reads_text = replace(shop, scenario=replace(shop.scenario, item_columns=columns))
            return session, replace(loaded, scenarios={**loaded.scenarios, SHOP: reads_text})

        return make

    def fit(self, session: Session, loaded: Loaded, folder: Path, progress: Progress | None = None) -> Fitting:
        model, learned = build_model(session, loaded)
        fitting = Fitting(
            model,
            learned,
            session.config,
            loaded.scenarios,
            {name: session.subject(name, one) for name, one in loaded.scenarios.items()},
            Fabric(accelerator="cpu", devices=1),
            folder,
            progress or Progress(),
            session.config.trainer.batch_rows,
        )
        fitting.run()
        return fitting

    def test_layers_move_and_come_back_from_the_checkpoint(self, world: Any, tmp_path: Path) -> None:
        session, loaded = world()
        before = build_model(session, loaded)[0].state_dict()
        model = self.fit(session, loaded, tmp_path / "fit").model
        layers = {name: p for name, p in model.state_dict().items() if ".suffix." in name and "layer" in name}
        assert layers
        still = [name for name, p in layers.items() if torch.equal(p, before[name]) and "key.bias" not in name]
        assert not still
        step = session.config.trainer.lr * session.config.backbone.suffix_lr
        moved = max(float((p - before[name]).abs().max()) for name, p in layers.items())
        assert moved < 2 * 4 * step, "the layers learn at their own rate"

        again, data = world()
        assert again.backbone.forwards == 0
        restored, _ = build_model(
            again,
            data,
            fitted=read_json(tmp_path / "fit" / "model.json"),
            weights=tmp_path / "fit" / "model.safetensors",
        )
        assert again.backbone.forwards == 0, "the second run reads all states from the store"
        for name, tensor in model.state_dict().items():
            assert torch.equal(restored.state_dict()[name], tensor), name
        items = torch.arange(model.n_items[SHOP])
        with torch.no_grad():
            assert torch.equal(restored.eval().items[SHOP](items), model.eval().items[SHOP](items))

    @pytest.mark.parametrize("kind", ["lora", "adalora", "ia3", "prefix", "bottleneck"])
    def test_adapters_learn_at_the_full_rate_and_come_back(self, world: Any, tmp_path: Path, kind: str) -> None:
        session, loaded = world(peft=kind)
        before = build_model(session, loaded)[0].state_dict()
        model = self.fit(session, loaded, tmp_path / "fit").model
        suffix = next(module for module in model.modules() if isinstance(module, Suffix))
        assert suffix.scenarios == (SHOP,), "who reads no text has no adapter"
        after = {name: p for name, p in model.state_dict().items() if ".suffix." in name}
        assert after.keys() == {name for name in before if ".suffix." in name}
        assert not [name for name in after if "base" in name], "the backbone is not in the checkpoint"
        assert all(p.isfinite().all() for p in after.values())
        parameters = {name: p for name, p in suffix.named_parameters() if p.requires_grad}
        moved = [
            float((p.detach() - before[f"shared.modules_by_key.suffix.{name}"]).abs().max())
            for name, p in parameters.items()
        ]
        assert max(moved) > session.config.trainer.lr, "not at the rate of the layers"

        if kind == "adalora":
            assert int(suffix.budget.step) > 0, "it follows the optimizer"

        again, data = world(peft=kind)
        weights = tmp_path / "fit" / "model.safetensors"
        restored, _ = build_model(again, data, fitted=read_json(tmp_path / "fit" / "model.json"), weights=weights)
        assert all(torch.equal(restored.state_dict()[name], p) for name, p in model.state_dict().items())
        items = torch.arange(model.n_items[SHOP])
        with torch.no_grad():
            assert torch.equal(restored.eval().items[SHOP](items), model.eval().items[SHOP](items))

    def test_a_run_starts_from_a_saved_adapter_and_needs_it_no_more(self, world: Any, tmp_path: Path) -> None:
        session, loaded = world(peft="lora")
        model = self.fit(session, loaded, tmp_path / "fit").model
        save_adapters(tmp_path, model)
        saved = tmp_path / "adapters" / SHOP
        session, loaded = world(peft={"name": "lora", "init": {SHOP: str(saved)}})
        model, learned = build_model(session, loaded)
        suffix = next(module for module in model.modules() if isinstance(module, Suffix))
        assert all(p.any() for name, p in suffix.named_parameters() if "lora_B" in name), (
            "it starts where that ended"
        )
        save_model(tmp_path / "second", model, learned)
        saved.rename(tmp_path / "gone")
        build_model(session, loaded, fitted=learned, weights=tmp_path / "second" / "model.safetensors")
        with pytest.raises(CheckpointError, match="there is no adapter"):
            build_model(session, loaded)

    @pytest.mark.parametrize("peft", [None, "adalora"])
    def test_a_stopped_run_ends_with_the_same_numbers(self, world: Any, tmp_path: Path, peft: Any) -> None:
        class Stop(Exception):
            """The process was killed."""

        def stop(step: int) -> None:
            if step == 3:
                raise Stop

        whole = self.fit(*world(peft=peft), tmp_path / "whole").model.state_dict()
        with pytest.raises(Stop):
            self.fit(*world(peft=peft), tmp_path / "parts", Progress(step=stop))
        parts = self.fit(*world(peft=peft), tmp_path / "parts").model.state_dict()
        assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())

    def test_a_step_encodes_only_what_it_touches(self, world: Any) -> None:
        for tune, whole in (("suffix", False), ("frozen", True)):
            model = build_model(*world(tune))[0].train()
            catalogue = model.catalogue(SHOP)
            assert catalogue.whole is whole
            asked: list[int] = []
            model.items[SHOP].register_forward_pre_hook(lambda _, args, asked=asked: asked.append(args[0].numel()))
            items = torch.tensor([[1, 2, 2]])
            one, two = catalogue.take(items), catalogue.take(items)
            assert torch.equal(one, two)
            assert asked == [model.n_items[SHOP] if whole else 3]
            assert model.catalogue(FACTS).whole, "its items have no text"

    def test_judging_encodes_the_catalogue_once(self, world: Any) -> None:
        model = build_model(*world())[0].eval()
        asked: list[int] = []
        model.items[SHOP].register_forward_pre_hook(lambda _, args: asked.append(args[0].numel()))
        catalogue = model.catalogue(SHOP)
        with torch.inference_mode():
            for items in ([0, 1], [2, 2]):
                torch.testing.assert_close(
                    catalogue.take(torch.tensor(items)), catalogue.all()[torch.tensor(items)], atol=0, rtol=0
                )
        assert asked == [model.n_items[SHOP]]
