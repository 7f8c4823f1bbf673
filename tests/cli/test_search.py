"""A search with Optuna: it learns, lists what failed, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from polyscene.cli import app
from polyscene.cli.outcomes import read_outcomes
from polyscene.cli.search import search
from polyscene.errors import ConfigError

RATE = "trainer.lr=tag(log,interval(0.0001,0.1))"
SPACE = (RATE, "adapter=gate,star", "trainer.warmup=int(interval(1,40))", "trainer.batch_rows=range(256,1025,256)")


class Launcher:
    """Stands for training: a trial is the better the nearer its learning rate is to 0.003.

    Args:
        stop: the session ends in this job, counted over the launcher's life.
        fail: jobs with these numbers fail.
    """

    def __init__(self, stop: int = -1, fail: Sequence[int] = ()) -> None:
        self.stop, self.fail = stop, fail
        self.jobs: dict[int, list[str]] = {}
        self.sizes: list[int] = []

    def __call__(self, jobs: list[list[str]], first: int) -> list[float | None]:
        self.sizes.append(len(jobs))
        return [self._run(number, job) for number, job in enumerate(jobs, first)]

    def _run(self, number: int, job: list[str]) -> float | None:
        if len(self.jobs) == self.stop:
            raise KeyboardInterrupt
        self.jobs[number] = job
        return None if number in self.fail else -self.error(number)

    def error(self, number: int) -> float:
        [rate] = [float(word.partition("=")[2]) for word in self.jobs[number] if word.startswith("trainer.lr=")]
        return abs(np.log10(rate) - np.log10(0.003))


def run(folder: Path, launcher: Launcher, *words: str, **options: Any) -> Launcher:
    folder.mkdir(exist_ok=True)
    search(folder, options, OverridesParser.create().parse_overrides(["scenario=video", *words]), launcher)
    return launcher


def test_a_search_learns_where_to_look(tmp_path: Path) -> None:
    late = {}
    for sampler in ("tpe", "gp", "random"):
        done = run(tmp_path / sampler, Launcher(), RATE, n_trials=25, sampler=sampler)
        assert list(done.jobs) == list(range(25))
        late[sampler] = np.mean([done.error(number) for number in range(12, 25)])
    assert late["tpe"] < 0.7 * late["random"]
    assert late["gp"] < 0.3 * late["random"]


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("stop", [0, 4, 9])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path, stop: int, n_jobs: int) -> None:
    options = {"n_trials": 12, "startup": 3, "n_jobs": n_jobs}
    unbroken = run(tmp_path / "unbroken", Launcher(fail=[5]), *SPACE, **options).jobs
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", first := Launcher(stop=stop, fail=[5]), *SPACE, **options)
    second = run(tmp_path / "broken", Launcher(fail=[5]), *SPACE, **options)
    assert {**first.jobs, **second.jobs} == unbroken
    # Only trials of the batch in which the session ended are run again.
    assert len(first.jobs.keys() & second.jobs.keys()) < n_jobs
    assert run(tmp_path / "broken", Launcher(), *SPACE, **options).jobs == {}


def test_a_search_can_be_made_longer(tmp_path: Path) -> None:
    first = run(tmp_path, Launcher(), *SPACE, n_trials=3).jobs
    assert list(first) == [0, 1, 2]
    assert list(run(tmp_path, Launcher(), *SPACE, n_trials=5).jobs) == [3, 4]


def test_several_trials_are_launched_together(tmp_path: Path) -> None:
    assert run(tmp_path, Launcher(), RATE, n_trials=7, n_jobs=3).sizes == [3, 3, 1]


def test_values_are_of_the_kind_that_was_asked_for(tmp_path: Path) -> None:
    done = run(tmp_path, Launcher(), *SPACE, n_trials=30, sampler="random")
    values = [dict(word.split("=") for word in job) for job in done.jobs.values()]
    assert {value["adapter"] for value in values} == {"gate", "star"}
    assert {value["trainer.batch_rows"] for value in values} == {"256", "512", "768", "1024"}
    assert all(1 <= int(value["trainer.warmup"]) <= 40 for value in values)
    rates = [float(value["trainer.lr"]) for value in values]
    assert 8 < sum(rate < 0.003 for rate in rates) < 22  # half of a logarithmic scale
    assert {value["scenario"] for value in values} == {"video"}


@pytest.mark.parametrize(
    ("words", "options", "told"),
    [
        ((), {}, "there is nothing to search over"),
        (("seed=0,1",), {}, "a seed is not something to search over"),
        (("trainer.lr=tag(log,interval(0,1))",), {}, "starts above 0"),
        (("trainer.lr=interval(0.1,0.01)",), {}, "an interval ends above its start"),
        ((RATE,), {"n_trials": 0}, "'n_trials' is 0; at least 1 is expected"),
        ((RATE,), {"sampler": "tep"}, "one of tpe, gp, random is expected"),
    ],
)
def test_a_search_that_cannot_be(words: Sequence[str], options: dict[str, Any], told: str, tmp_path: Path) -> None:
    launcher = Launcher()
    with pytest.raises(ConfigError, match=told):
        run(tmp_path, launcher, *words, **options)
    assert launcher.jobs == {}


@pytest.mark.parametrize(
    "words", [(RATE, "trainer.steps=7"), (RATE, "adapter=gate,star"), ("trainer.lr=0.1,0.2",)]
)
def test_another_search_in_the_same_folder_is_refused(words: Sequence[str], tmp_path: Path) -> None:
    run(tmp_path, Launcher(), RATE, n_trials=1)
    with pytest.raises(ConfigError, match="it holds another search"):
        run(tmp_path, Launcher(), *words, n_trials=2)


def test_a_search_from_the_command_line(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "-m", "hydra/sweeper=optuna", "scenario=video", RATE, "run.dir=search"]
    trained.append("press Ctrl-C in the first")
    assert app.main([*given, "hydra.sweeper.n_trials=2"]) == 130
    assert app.main([*given, "hydra.sweeper.n_trials=2"]) == 0
    rates = [config.trainer.lr for config in trained]
    outcomes = read_outcomes(tmp_path / "search")
    assert [(one.job, one.score) for one in outcomes] == [(n, -abs(rate - 0.003)) for n, rate in enumerate(rates)]
    best = max(range(2), key=lambda number: outcomes[number].score or 0)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Best of 2: trial {best}" in shown
    assert f"polyscene train -m scenario=video trainer.lr={rates[best]} seed=0,1,2" in shown


def test_what_a_search_may_not_reach_is_told_before_it_begins(
    trained: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "-m", "hydra/sweeper=optuna", "scenario=video", "run.dir=search"]
    assert app.main([*given, "trainer.lr=interval(-1,0.1)", "hydra.sweeper.n_trails=3"]) == 2
    told = capsys.readouterr().err
    assert "'trainer.lr' is -1.0; at least 0 is expected" in told
    assert "n_trails" in told
    assert not (tmp_path / "search").exists()
