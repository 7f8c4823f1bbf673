"""The transfer matrix end to end: what it holds, that it goes on where it was stopped, and what it leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyscene.config.compose import compose
from polyscene.config.transfer import TransferConfig, check_transfer
from polyscene.errors import CheckpointError, ConfigError, DataNotAvailable, PolysceneError, Problems
from polyscene.evaluation.transfer import run as run_module
from polyscene.evaluation.transfer.run import transfer
from polyscene.report import read_metrics, read_transfer
from polyscene.training.models import ModelTrainer
from polyscene.training.restore import find_run
from polyscene.training.run import train
from tests.tiny import LIKES, SHOP, SMALL, tiny_config, tiny_host

TWO = (SHOP, LIKES)
FEW = ("trainer.steps=2", "trainer.eval_every=1")
LABELS = ("untrained", "single-shop", "single-likes", "joint", "joint-adapter-none", "joint-balancer-uncertainty")


def config_of(folder: Path, *overrides: str) -> TransferConfig:
    given = ["scenario=[]", *SMALL, *FEW, "seeds=[0,1]", "adapters=[none,gate]", "balancers=[uncertainty]"]
    mapping = compose("transfer", [*given, *overrides], tiny_host())
    mapping |= {"scenario": {name: {} for name in TWO}, "run": {"dir": str(folder)}}
    problems = Problems("config")
    config = check_transfer(mapping, tiny_host(), problems)
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two scenarios and two seeds."""
    return transfer(config_of(tmp_path_factory.mktemp("transfer") / "run"), tiny_host())


def without_time(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in ("seconds", "model_seconds", "memory_mb")}


def test_every_model_is_tested_on_every_scenario(finished: Path) -> None:
    found = read_transfer(finished)
    assert [row["label"] for row in found["rows"]] == ["popularity", *LABELS]
    assert found["status"] == "finished"
    tested = {(row["method"], row["seed"], row["scenario"]) for row in found["results"] if row["method"] in LABELS}
    assert tested == {(label, seed, name) for label in LABELS for seed in (0, 1) for name in TWO}
    assert {(one["row"], one["scenario"]) for one in found["matrix"]["cells"]} == {
        (row, name) for row in ("popularity", *LABELS[:4]) for name in TWO
    }
    assert all(one["seeds"] == 2 for one in found["matrix"]["cells"] if one["row"] != "popularity")
    assert set(found["matrices"]) == {"warm", "cold", "cold_all", "cold_user", "cold_both"}


def test_the_joint_row_is_the_joint_model_of_train_bit_for_bit(finished: Path, tmp_path: Path) -> None:
    run = train(tiny_config(tmp_path / "run", TWO, *FEW, "seed=1"), tiny_host())
    key = ("scenario", "view", "population", "metric", "value", "users", "standard_error")
    trained = [
        tuple(row[name] for name in key) for row in read_metrics(run)["results"] if row["method"] == "joint"
    ]
    tested = [
        tuple(row[name] for name in key)
        for row in read_transfer(finished)["results"]
        if (row["method"], row["seed"]) == ("joint", 1)
    ]
    assert sorted(tested) == sorted(trained)
    assert len(tested) > 10


def test_training_changes_what_it_learns_and_what_is_shared(finished: Path) -> None:
    results = read_transfer(finished)["results"]

    def of(label: str, scenario: str) -> list[float]:
        return [r["value"] for r in results if (r["method"], r["seed"], r["scenario"]) == (label, 0, scenario)]

    for name in TWO:
        assert of(f"single-{name}", name) != of("untrained", name)
    assert of("single-likes", "shop") != of("untrained", "shop"), "the sequence model is shared"


def test_the_negative_transfer_report(finished: Path) -> None:
    found = read_transfer(finished)
    assert [entry["scenario"] for entry in found["negative_transfer"]] == list(TWO)
    for entry in found["negative_transfer"]:
        assert [one["row"] for one in entry["tried"]] == list(LABELS[3:])
        assert all(one["difference"]["seeds"] == 2 for one in entry["tried"])
        scores = {one["row"]: one["validation"] for one in entry["tried"]}
        assert scores[entry["chosen"]] == max(scores.values())


def test_what_it_leaves(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {
        *("resolved.yaml", "fingerprint.json", "log.txt", "split", "controls", "seed0", "seed1"),
        *("transfer.json", "report.html"),
    }
    assert {path.stem for path in (finished / "seed1" / "results").iterdir()} == set(LABELS)
    assert not list(finished.rglob("*.safetensors"))[len(TWO) :], "models are not kept, splits are"
    curves = {
        json.loads(line)["scenario"] for line in (finished / "seed0" / "metrics.jsonl").read_text().splitlines()
    }
    assert curves >= {"shop", "shop (single)", "likes (single)", "shop (joint-adapter-none)"}
    assert {tuple(one["scenarios"]) for one in read_transfer(finished)["cosines"]} == {TWO}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The labels of the models that are trained from here on."""
    labels: list[str] = []
    real = ModelTrainer.train

    def noting(self: ModelTrainer, plan: Any) -> Any:
        labels.append(plan.label)
        return real(self, plan)

    monkeypatch.setattr(ModelTrainer, "train", noting)
    return labels


def test_a_finished_run_trains_nothing_again(finished: Path, tmp_path: Path, trained: list[str]) -> None:
    again = tmp_path / "run"
    shutil.copytree(finished, again)
    transfer(config_of(again), tiny_host())
    assert trained == []
    assert without_time(read_transfer(again)) == without_time(read_transfer(finished))


def stopping(monkeypatch: pytest.MonkeyPatch, stop: type[BaseException], at: int) -> Callable[[], None]:
    """Raise ``stop`` when the results of a model are about to be written for the ``at``-th time."""
    real, count = run_module.evaluate_everywhere, [0]

    def evaluate(*arguments: Any) -> Any:
        count[0] += 1
        if count[0] == at:
            raise stop
        return real(*arguments)

    monkeypatch.setattr(run_module, "evaluate_everywhere", evaluate)
    return lambda: monkeypatch.setattr(run_module, "evaluate_everywhere", real)


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(
    finished: Path, tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heal = stopping(monkeypatch, KeyboardInterrupt, at=4)
    with pytest.raises(KeyboardInterrupt):
        transfer(config_of(tmp_path / "run"), tiny_host())
    found = read_transfer(tmp_path / "run")
    assert found["status"] == "interrupted"
    assert set(found["model_seconds"]) == {"seed0/untrained", "seed0/single-shop", "seed0/single-likes"}
    assert "not finished (interrupted)" in (tmp_path / "run" / "report.html").read_text()
    assert trained == ["single-shop", "single-likes", "joint"]
    heal()
    transfer(config_of(tmp_path / "run"), tiny_host())
    assert trained[3:6] == ["joint", "joint-adapter-none", "joint-balancer-uncertainty"]
    assert without_time(read_transfer(tmp_path / "run")) == without_time(read_transfer(finished))


def test_a_model_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    real = ModelTrainer.train

    def failing(self: ModelTrainer, plan: Any) -> Any:
        if plan.label == "joint-adapter-none":
            raise PolysceneError("the loss of shop is not a number after step 2")
        return real(self, plan)

    monkeypatch.setattr(ModelTrainer, "train", failing)
    with pytest.raises(PolysceneError, match=r"1 model\(s\) could not be trained[\s\S]*seed0/joint-adapter-none"):
        transfer(config_of(tmp_path / "run", "seeds=[0]"), tiny_host())
    found = read_transfer(tmp_path / "run")
    assert set(found["failed"]) == {"seed0/joint-adapter-none"}
    assert "joint-balancer-uncertainty" in trained
    assert [one["row"] for one in found["negative_transfer"][0]["tried"]] == [
        "joint",
        "joint-balancer-uncertainty",
    ]


def test_other_options_are_not_mixed_into_a_run(finished: Path) -> None:
    with pytest.raises(ConfigError, match="another config"):
        transfer(config_of(finished, "seeds=[0,2]"), tiny_host())


def test_one_scenario_with_data_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(config: Any, data: Any) -> Any:
        raise DataNotAvailable("it is lost")

    monkeypatch.setitem(vars(tiny_host().scenario(LIKES)), "load", lost)
    with pytest.raises(DataNotAvailable, match="only shop has its data, and transfer needs two"):
        transfer(config_of(tmp_path / "run"), tiny_host())


def test_a_matrix_is_no_run_to_restore(finished: Path) -> None:
    with pytest.raises(CheckpointError, match="transfer"):
        find_run(str(finished), "runs")
