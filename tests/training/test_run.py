"""Whole runs: what they learn, the rows they report and the files they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyscene.config.schema import EvaluateConfig
from polyscene.errors import CheckpointError
from polyscene.evaluation.run import evaluate
from polyscene.report import read_metrics
from polyscene.training.run import train
from tests.tiny import ADS, FACTS, LIKES, PEOPLE, SHOP, THREE, tiny_config, tiny_host

Row = dict[str, Any]


def rows_of(run: Path, **wanted: str) -> list[Row]:
    rows = read_metrics(run)["results"]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def value(run: Path, **wanted: str) -> float:
    (row,) = rows_of(run, **{"metric": "ndcg@10", "population": "warm", **wanted})
    return row["value"]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is long enough to find the generated structure, beside its controls."""
    long = ("trainer.steps=200", "trainer.eval_every=50", "trainer.patience=0", "trainer.batch_rows=384")
    config = tiny_config(
        tmp_path_factory.mktemp("learned") / "run",
        (SHOP, PEOPLE, LIKES, FACTS, ADS),
        "controls=[popularity,item_knn]",
        *long,
    )
    return train(config, tiny_host())


@pytest.mark.parametrize("scenario", [SHOP, PEOPLE, LIKES, FACTS])
def test_what_is_learned_is_clearly_above_popularity(scenario: str, learned: Path) -> None:
    assert value(learned, scenario=scenario, method="joint") > 1.5 * value(
        learned, scenario=scenario, method="popularity"
    )


def test_cold_items_and_cold_users_are_ranked_better_than_by_popularity(learned: Path) -> None:
    for scenario, population in ((LIKES, "cold"), (SHOP, "cold_user")):
        joint, control = (
            value(learned, scenario=scenario, population=population, method=method)
            for method in ("joint", "popularity")
        )
        assert joint > control, (scenario, population)


def test_ratings_are_not_far_from_their_mean(learned: Path) -> None:
    joint, mean = (
        value(learned, scenario=SHOP, metric="rmse", method=method) for method in ("joint", "mean_rating")
    )
    assert joint < 1.1 * mean


def test_the_rows_of_a_run(finished: Path) -> None:
    rows = rows_of(finished)
    assert {row["scenario"] for row in rows} == set(THREE)
    assert {row["method"] for row in rows} == {"joint", "mean_rating"}
    assert {row["population"] for row in rows_of(finished, scenario=SHOP)} == {
        "warm",
        "cold",
        "cold_all",
        "cold_user",
        "cold_both",
    }
    assert {row["population"] for row in rows_of(finished, scenario=FACTS)} == {"warm"}
    assert [row["seed"] for row in rows] == [0] * len(rows)
    keys = [(r["scenario"], r["view"], r["population"], r["method"], r["metric"]) for r in rows]
    assert len(keys) == len(set(keys))


def test_examples_and_counts_of_every_scenario(learned: Path) -> None:
    metrics = read_metrics(learned)
    methods = ["joint", "popularity", "item_knn"]
    for example in metrics["examples"]:
        judged = example["scenario"] == ADS
        assert [one["method"] for one in example["methods"]] == (methods[:1] if judged else methods)
        assert example["kind"] == ("judged" if judged else "fact" if example["scenario"] == FACTS else "user")
        best = next(one["rank"] for one in example["methods"] if one["method"] == "joint")
        shown = [item["hit"] for item in example["methods"][0]["items"]]
        assert any(shown) == (best is not None and best <= len(shown))
    assert {row["scenario"] for row in metrics["by_count"]} == {SHOP, PEOPLE, LIKES, FACTS}
    assert {row["scenario"] for row in metrics["examples"]} == {SHOP, PEOPLE, LIKES, FACTS, ADS}
    targets = {}
    for row in metrics["by_count"]:
        targets.setdefault((row["scenario"], row["low"]), set()).add(row["targets"])
    assert all(len(counts) == 1 for counts in targets.values()), "the same targets for every method"
    assert metrics["device"] == {"name": "cpu", "memory_mb": None}


def test_controls_are_measured_on_the_same_rows_as_the_model(learned: Path) -> None:
    for row in rows_of(learned, method="joint", metric="ndcg@10"):
        same = {key: row[key] for key in ("scenario", "view", "population", "metric")}
        for control in ("popularity", "item_knn"):
            (other,) = rows_of(learned, method=control, **same)
            assert (other["users"], other["protocol"]) == (row["users"], row["protocol"])


def test_single_models_are_trained_beside_the_joint_one(tmp_path: Path) -> None:
    few = ("trainer.steps=2", "trainer.eval_every=2")
    run = train(tiny_config(tmp_path / "run", (SHOP, FACTS), "controls=[single]", *few), tiny_host())
    found = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert found == ["joint", "single-facts", "single-shop"]
    assert {row["method"] for row in rows_of(run, scenario=FACTS)} == {"joint", "single"}
    curves = {json.loads(line)["scenario"] for line in (run / "metrics.jsonl").read_text().splitlines()}
    assert curves == {"shop", "facts", "shop (single)", "facts (single)"}


def test_strategy_single_trains_no_joint_model(tmp_path: Path) -> None:
    few = ("trainer.steps=2", "trainer.eval_every=2")
    overrides = ("strategy=single", "controls=[single,popularity]", *few)
    run = train(tiny_config(tmp_path / "run", (SHOP, FACTS), *overrides), tiny_host())
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["single-facts", "single-shop"]
    assert {row["method"] for row in rows_of(run, scenario=FACTS)} == {"single", "popularity"}


def test_the_files_of_a_run(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        *("resolved.yaml", "fingerprint.json", "log.txt", "split", "checkpoints"),
        *("metrics.jsonl", "metrics.json", "requests.safetensors", "report.html"),
    }
    config = yaml.safe_load((finished / "resolved.yaml").read_text())
    assert config["trainer"]["steps"] == 20
    assert "run" not in config
    fingerprint = json.loads((finished / "fingerprint.json").read_text())
    assert set(fingerprint["data"]) == set(THREE)
    assert not list(finished.rglob("*.part"))
    assert not list(finished.rglob("*.pt")), "pickled files"


def test_no_text_means_no_backbone(finished: Path) -> None:
    metrics = read_metrics(finished)
    assert metrics["backbone_texts"] == 0
    assert metrics["parameters"]["backbone"] == 0
    assert metrics["parameters"]["trainable"] > 0


def test_a_run_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(CheckpointError, match="cannot write"):
        train(tiny_config(tmp_path / "run"), tiny_host())
    with pytest.raises(CheckpointError, match="cannot write"):
        train(tiny_config(tmp_path / "run" / "below"), tiny_host())
    assert (tmp_path / "run").read_text() == "not a folder"


def test_without_a_directory_a_new_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tiny_config("", (FACTS,), "trainer.steps=1", "trainer.eval_every=1")
    one, two = train(config, tiny_host()), train(config, tiny_host())
    assert one != two
    assert one.parent == two.parent == Path("runs")
    assert one.name.endswith("-facts-seed0")


def test_a_restored_run_is_evaluated_to_the_same_numbers(tmp_path: Path) -> None:
    few = ("trainer.steps=3", "trainer.eval_every=3", "controls=[single]")
    run = train(tiny_config(tmp_path / "run", THREE, *few), tiny_host())
    evaluated = evaluate(EvaluateConfig(str(run), device="cpu"), tiny_host())

    def keyed(folder: Path) -> dict[tuple[str, ...], Row]:
        keys = ("scenario", "view", "population", "method", "metric")
        return {tuple(row[key] for key in keys): row for row in read_metrics(folder)["results"]}

    assert keyed(evaluated) == keyed(run)
    assert len(keyed(run)) == len(rows_of(run))
