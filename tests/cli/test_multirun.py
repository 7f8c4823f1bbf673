"""Multirun: every job runs, a failed one stops no other, each leaves its outcome, and what is finished is kept."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from polyscene.cli import app
from polyscene.cli.outcomes import Outcome, read_outcomes
from polyscene.config import extras
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


def test_one_job_has_no_use_for_options_of_several(trained: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["hydra.sweep.subdir=job", "hydra/launcher=joblib", "++hydra.verbose=true"]
    assert app.main(["train", "scenario=video", *words]) == 2
    told = capsys.readouterr().err
    assert "3 problems" in told
    assert "'hydra.sweep.subdir=job' is about the jobs of a multirun: add -m, or leave it out" in told
    assert trained == []


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


def test_the_same_command_keeps_what_is_finished_and_repeats_the_rest(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "-m", "scenario=video", "seed=0,1,3", "run.dir=sweep"]
    assert app.main(command) == 2
    assert [config.seed for config in trained] == [0, 1, 3]
    first = read_outcomes(tmp_path / "sweep")
    capsys.readouterr()
    assert app.main(command) == 2
    assert [config.seed for config in trained[3:]] == [1]
    again = read_outcomes(tmp_path / "sweep")
    assert [outcome.kept for outcome in again] == [True, False, True]
    assert [outcome.status for outcome in again] == ["finished", "failed", "finished"]
    assert [outcome.seconds for outcome in again[::2]] == [outcome.seconds for outcome in first[::2]]
    assert "before, with the same config" in capsys.readouterr().out
    assert (
        app.main([*command[:3], "seed=0,3,4", command[-1]]) == 0
    )  # a larger sweep keeps what it shares with this
    assert [config.seed for config in trained[4:]] == [4]


def test_a_finished_job_of_another_config_is_not_taken_for_this_one(trained: list[Any], tmp_path: Path) -> None:
    for steps in (5, 6):
        # Which job this is does not say how many steps it trains: only the fingerprint tells.
        (tmp_path / "steps.yaml").write_text(f"steps: {steps}")
        given = ["scenario=video", f"trainer.steps={steps}", "seed=0", "hydra.sweep.subdir=job", "run.dir=sweep"]
        app.main(["train", "-m", *given])
    assert [config.trainer.steps for config in trained] == [5, 6]


def test_a_job_whose_process_was_killed_is_listed_and_continued(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "-m", "scenario=video", "seed=0,3", "run.dir=sweep"]
    trained.append("kill the next one")
    assert app.main(command) == 130
    assert [outcome.status for outcome in read_outcomes(tmp_path / "sweep")] == ["running"]
    assert app.main(command) == 0
    assert [outcome.status for outcome in read_outcomes(tmp_path / "sweep")] == ["finished", "finished"]
    assert "killed" in Outcome(0).words()


def test_a_launcher_that_breaks_down_leaves_the_others_listed(
    trained: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a worker process was terminated")

    app.main(["train", "-m", "scenario=video", "seed=0", "run.dir=sweep"])
    # Hydra finds its plugins without making them attributes of their package.
    plugin = importlib.import_module("hydra._internal.core_plugins.basic_launcher")
    monkeypatch.setattr(plugin.BasicLauncher, "launch", broken)
    capsys.readouterr()
    assert app.main(["train", "-m", "scenario=video", "seed=0,3", "run.dir=sweep"]) == 2
    shown = capsys.readouterr()
    assert "the launcher broke down (a worker process was terminated)" in shown.err
    assert "repeat the command with run.dir=sweep" in shown.err


def test_a_folder_in_which_another_process_works(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep").mkdir()
    with FileLock(tmp_path / "sweep" / ".lock"):
        assert app.main(["train", "-m", "scenario=video", "seed=0,3", "run.dir=sweep"]) == 2
    assert "another process runs jobs in this folder" in capsys.readouterr().err
    assert trained == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trainer.lr=interval(0.001,0.01)"], "let hydra/sweeper=optuna search in it"),
        (["adapter=glob(zzz*)"], "stands for no value"),
        (["hydra/launcher=slrum"], "did you mean 'slurm'?"),
        (["hydra/launcher=joblib", "hydra.launcher.n_jbos=2"], "n_jbos"),
    ],
)
def test_a_sweep_that_cannot_be(
    words: list[str], told: str, trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(["train", "-m", "scenario=video", *words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_whose_package_is_missing(
    trained: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda module: False)
    given = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,3"]
    assert app.main(["train", "-m", "scenario=video", *given]) == 2
    told = capsys.readouterr().err
    assert "hydra/launcher=joblib needs a package that is not installed" in told
    assert '.[sweep]"' in told
    assert "1 problem" in told  # its options are not complained about as well


def test_a_pattern_stands_for_all_names_that_it_fits(trained: list[Any]) -> None:
    assert app.main(["train", "-m", "scenario=video", "adapter=glob(f*)"]) == 0
    assert [config.adapter.name for config in trained] == ["film", "fusion"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["seed=0,3"], ["scenario=video,seed=0", "scenario=video,seed=3"]),
        (["seed=0,3", f"name={'x' * 140}"], ["seed=0", "seed=3"]),  # what is common to all is left out
        (["seed=0,3", "name='a/b'", "adapter.rank=4", "adapter=lora"], ["seed=0", "seed=3"]),
        ([f"name={','.join('x' * 151 + str(number) for number in range(2))}"], ["0", "1"]),
        (["name='a/b','a/c'"], ["0", "1"]),
    ],
)
def test_names_of_folders_are_short_and_plain(
    words: list[str], names: list[str], trained: list[Any], tmp_path: Path
) -> None:
    assert app.main(["train", "-m", "scenario=video", *words, "run.dir=sweep"]) == 0
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == names


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
