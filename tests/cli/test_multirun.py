"""Multirun: every job runs, a failed one stops no other, and each leaves its outcome."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyscene.cli import app
from polyscene.cli.outcomes import read_outcomes
from polyscene.errors import DataError
from polyscene.registry.host import ALLOW_VARIABLE
from tests.plugin_factory import install_plugin

FAILING = """
from polyscene import DataError, Scenario, hookimpl

POLYSCENE_API = "1.0"


def load(config, data):
    raise DataError("this data is lost", where="radio", fix="look for it")


@hookimpl
def polyscene_scenarios():
    return [Scenario("radio", load)]
"""


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for training: keeps the configs, and fails where the seed is 1 (by mistake) or 2 (by a fault)."""
    configs: list[Any] = []

    def train(config: Any, host: Any) -> Path:
        configs.append(config)
        if config.seed == 1:
            raise DataError("the data is lost", where="video", fix="look for it")
        if config.seed == 2:
            raise ZeroDivisionError("a fault of ours")
        return Path(config.run.dir)

    module = types.ModuleType("polyscene.training.run")
    module.train = train
    monkeypatch.setitem(sys.modules, "polyscene.training.run", module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return configs


def test_one_job(trained: list[Any], tmp_path: Path) -> None:
    assert app.main(["train", "scenario=video", "seed=5"]) == 0
    [config] = trained[-1:]
    assert (list(config.scenario), config.seed, config.run.dir) == (["video"], 5, "")
    assert list(tmp_path.iterdir()) == []


def test_a_users_mistake_in_one_job(trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["train", "scenario=video", "seed=1"]) == 2
    assert capsys.readouterr().err == "Error: video: the data is lost\nlook for it\n"


def test_our_fault_in_one_job_keeps_its_trace(trained: list[Any]) -> None:
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        app.main(["train", "scenario=video", "seed=2"])


def test_jobs_from_groups_of_keys(trained: list[Any], tmp_path: Path) -> None:
    given = ["scenario=video", "adapter={name: gate},{name: bottleneck, rank: 4}"]
    assert app.main(["train", "-m", *given, "scenario.video.split={name: random_per_user, test: 0.2}"]) == 0
    assert [config.adapter.as_mapping() for config in trained] == [
        {"name": "gate", "activation": "identity"},
        {"name": "bottleneck", "rank": 4},
    ]
    assert trained[0].scenario["video"].split == {"name": "random_per_user", "test": 0.2}


def test_several_jobs(trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["train", "-m", "scenario=video", "adapter=none,gate", "seed=0,1"]) == 2
    assert [(config.adapter.name, config.seed) for config in trained] == [
        ("none", 0),
        ("none", 1),
        ("gate", 0),
        ("gate", 1),
    ]
    [folder] = (tmp_path / "runs").iterdir()
    assert len({config.run.dir for config in trained}) == 4
    assert all(Path(config.run.dir).parent == folder for config in trained)
    outcomes = read_outcomes(folder)
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished", "failed"]
    assert outcomes[1].overrides == ["scenario=video", "adapter=none", "seed=1"]
    assert "the data is lost" in outcomes[1].error
    assert outcomes[1].trace == ""
    shown = capsys.readouterr()
    assert shown.out.count("Job ") == 4
    assert "Traceback" not in shown.err


def test_a_fault_of_ours_gives_another_code_and_keeps_its_trace(trained: list[Any], tmp_path: Path) -> None:
    assert app.main(["train", "-m", "scenario=video", "seed=0,2", "run.dir=sweep"]) == 1
    outcomes = read_outcomes(tmp_path / "sweep")
    assert "ZeroDivisionError" in outcomes[1].trace


def test_a_sweep_over_scenario_lists(trained: list[Any]) -> None:
    assert app.main(["train", "-m", "scenario=[video],[video,music]"]) == 0
    assert [list(config.scenario) for config in trained] == [["video"], ["video", "music"]]


def test_a_fixed_folder_gives_each_job_the_same_place_again(trained: list[Any]) -> None:
    for _ in range(2):
        assert app.main(["train", "-m", "scenario=video", "seed=0,3", "run.dir=sweep"]) == 0
    places = [config.run.dir for config in trained]
    assert places[:2] == places[2:]


def test_long_and_odd_values_make_short_folder_names(trained: list[Any], tmp_path: Path) -> None:
    long = ",".join(f"'{'x' * 90}/{number}'" for number in range(2))
    assert app.main(["train", "-m", "scenario=video", f"name={long}", "run.dir=sweep"]) == 0
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == ["0", "1"]


def test_a_folder_that_cannot_be_made(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file")
    assert app.main(["train", "-m", "scenario=video", "seed=0,3"]) == 2
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.slow
def test_jobs_in_processes(polyscene: Callable[..., Any], tmp_path: Path) -> None:
    """The joblib launcher: its processes load the plugins anew and report what happened."""
    site = tmp_path / "site"
    install_plugin(site, "radio", FAILING)
    done = polyscene(
        *("--plugins", "radio", "train", "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        *("scenario=radio", "seed=0,1", "run.dir=sweep", "controls=[]"),
        site=site,
    )
    assert done.returncode == 2, done.stderr
    outcomes = [json.loads(path.read_text()) for path in sorted((tmp_path / "sweep").rglob("outcome.json"))]
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert outcome["status"] == "failed"
        assert "this data is lost" in outcome["error"]
