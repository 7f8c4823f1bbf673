"""Controls that are models: each changes its own thing and nothing else, or is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from polyscene.config.compose import compose
from polyscene.config.controls import CHANGES
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import DataConfig, EvaluateConfig, TrainConfig
from polyscene.errors import ConfigError
from polyscene.evaluation.run import evaluate
from polyscene.report import read_metrics
from polyscene.training.controls import changed, changed_config, changed_names, check_controls
from polyscene.training.loading import Loaded
from polyscene.training.restore import restore
from polyscene.training.run import train
from polyscene.training.session import Session
from tests.backbone.conftest import tiny as tiny_bert
from tests.tiny import SMALL
from tests.training.graph_plugin import PLAIN, TALES, graph_host

tiny = tiny_bert


def config_of(run: Path | str, scenarios: tuple[str, ...], *overrides: str) -> TrainConfig:
    mapping = compose("train", ["experiment=none", "scenario=[]", *SMALL, *overrides], graph_host())
    mapping["scenario"], mapping["run"] = {name: {} for name in scenarios}, {"dir": str(run)}
    return resolve_train(mapping, graph_host())


def loaded_of(*scenarios: str) -> Loaded:
    config = config_of("", scenarios)
    return Session(config, graph_host(), torch.device("cpu"), say=lambda _: None).load()


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return loaded_of(TALES, PLAIN)


@pytest.mark.parametrize("control", CHANGES)
def test_rows_splits_users_and_the_other_scenario_stay(control: str, loaded: Loaded) -> None:
    after = changed(control, loaded, 0, graph_host())
    assert changed_names(control, loaded) == [TALES]
    assert after.scenarios[PLAIN] is loaded.scenarios[PLAIN]
    before, tales = loaded.scenarios[TALES], after.scenarios[TALES]
    assert tales.events is before.events
    assert tales.split is before.split
    assert tales.tables.users.equals(before.tables.users)
    assert tales.tables.interactions.equals(before.tables.interactions)
    assert tales.tables.items["item_id"].equals(before.tables.items["item_id"])
    assert replaced(tales.scenario) == replaced(before.scenario)


def replaced(scenario) -> tuple:
    return scenario.tasks, scenario.user_columns, scenario.event_columns, scenario.views


@pytest.mark.parametrize(
    ("control", "columns", "values"),
    [
        ("id_only", {"id"}, set()),
        ("text_only", {"tfidf"}, set()),
        ("no_graph", {"tfidf", "category", "id"}, set()),
        ("shuffled_text", {"tfidf", "category", "id", "kgat"}, {"text"}),
        ("shuffled_links", {"tfidf", "category", "id", "kgat"}, {"graph_entity"}),
    ],
)
def test_each_control_changes_its_own_thing(
    control: str, columns: set[str], values: set[str], loaded: Loaded
) -> None:
    before, after = loaded.scenarios[TALES], changed(control, loaded, 0, graph_host()).scenarios[TALES]
    assert {column.encoder_name for column in after.scenario.item_columns} == columns
    differ = {
        name for name in before.tables.items if not before.tables.items[name].equals(after.tables.items[name])
    }
    assert differ == values
    for name in values:
        for table in (before.tables.items, after.tables.items):
            assert table[name].notna().sum() == before.tables.items[name].notna().sum()
        assert set(after.tables.items[name].dropna()) == set(before.tables.items[name].dropna())


def test_items_without_a_link_get_none_when_links_are_shuffled(loaded: Loaded) -> None:
    before, after = (
        one.scenarios[TALES].tables.items["graph_entity"]
        for one in (loaded, changed("shuffled_links", loaded, 0, graph_host()))
    )
    assert before.isna().any()
    assert before.isna().equals(after.isna())
    assert np.mean(before.dropna().to_numpy() == after.dropna().to_numpy()) < 0.2


def test_shuffles_follow_the_seed(loaded: Loaded) -> None:
    one, same, other = (
        changed("shuffled_text", loaded, seed, graph_host()).scenarios[TALES].tables.items["text"].tolist()
        for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


def test_ids_alone_are_not_dropped() -> None:
    config = config_of("", (PLAIN,))
    assert config.model.content_dropout > 0
    assert changed_config("id_only", config).model.content_dropout == 0
    assert changed_config("no_graph", config) is config


def test_a_control_that_changes_nothing_is_refused_before_training(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", (PLAIN,), f"controls=[single,{','.join(CHANGES)}]")
    with pytest.raises(ConfigError) as caught:
        train(config, graph_host())
    message = str(caught.value)
    assert "controls: 5 problems" in message
    for control in CHANGES:
        assert f"'{control}' changes nothing in this run" in message
    assert "scenario=[video,kg]" in message
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_run_without_controls_checks_nothing() -> None:
    check_controls(["single", "popularity"], loaded_of(PLAIN))


def test_controls_stand_beside_the_result_and_are_restored(tmp_path: Path) -> None:
    controls = ["no_graph", "shuffled_links"]
    few = ("trainer.steps=2", "trainer.eval_every=2", "trainer.batch_rows=96", f"controls=[{','.join(controls)}]")
    run = train(config_of(tmp_path / "run", (TALES, PLAIN), *few), graph_host())
    results = read_metrics(run)["results"]
    assert [*dict.fromkeys(row["method"] for row in results if row["scenario"] == TALES)] == ["joint", *controls]
    assert {row["method"] for row in results if row["scenario"] == PLAIN} == {"joint"}
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"joint", *controls}
    for control in controls:
        learned = json.loads((run / "checkpoints" / control / "model.json").read_text())
        assert ("graph_entity-kgat" in learned[TALES]["items"]) == control.startswith("shuffled")
    again = read_metrics(evaluate(EvaluateConfig(str(run), device="cpu"), graph_host()))["results"]
    keys = ("scenario", "view", "population", "method", "metric")
    figures, restored = ({tuple(r[k] for k in keys): r["value"] for r in rows} for rows in (results, again))
    assert restored == figures
    page = (run / "report.html").read_text()
    assert "no graph" in page
    assert "shuffled links" in page


def test_with_one_model_per_scenario_only_those_that_change_are_trained(tmp_path: Path) -> None:
    few = ("trainer.steps=2", "trainer.eval_every=2", "strategy=single", "controls=[no_graph]")
    run = train(config_of(tmp_path / "run", (TALES, PLAIN), *few), graph_host())
    labels = {path.name for path in (run / "checkpoints").iterdir()}
    assert labels == {"single-tales", "single-plain", "no_graph-single-tales"}


def test_ids_alone_leave_out_priors_that_read_texts(tmp_path: Path, tiny: Path) -> None:
    words = ["trainer.steps=2", f"backbone.model={tiny}", "backbone.max_len=32", f"data.cache={tmp_path}"]
    mapping = compose("train", ["experiment=none", "scenario=[]", *SMALL, *words], graph_host())
    mapping |= {"scenario": {TALES: {"priors": ["content", "linear"]}}, "run": {"dir": str(tmp_path / "run")}}
    mapping["controls"] = ["id_only", "shuffled_text"]
    run = train(resolve_train(mapping, graph_host()), graph_host())
    assert {row["method"] for row in read_metrics(run)["results"]} == {"joint", "id_only", "shuffled_text"}
    restored = restore(str(run), graph_host(), root="", data=DataConfig(cache=str(tmp_path)), device="cpu")
    counted = {label: list(restored.model(label).priors[TALES].priors) for label in restored.labels()}
    assert counted == {
        "joint": ["content", "linear"],
        "id_only": ["linear"],
        "shuffled_text": ["content", "linear"],
    }
