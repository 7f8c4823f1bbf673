"""Suites as they run: kept, continued, failed in part, and shown on one page."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from polyscene.comparison.suites.jobs import jobs_of
from polyscene.comparison.suites.launch import Processes, in_a_line, reason_in
from polyscene.comparison.suites.results import few_shot_rows
from polyscene.comparison.suites.run import run_suite
from polyscene.errors import ConfigError, PolysceneError
from tests.comparison.suites.conftest import InThisProcess
from tests.tiny import tiny_host


def without_hash(name: str) -> str:
    return re.sub(r"-[0-9a-f]{8}$", "", name)


def test_stopped_continued_and_failed_in_part(
    suite: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folder, wanted = tmp_path / "bench", suite()
    stopped = InThisProcess(stopping="none-seed1")
    with pytest.raises(KeyboardInterrupt):
        run_suite(wanted, folder, tiny_host(), launch=stopped)
    assert list(map(without_hash, stopped.ran)) == [
        "pair-plain-none-seed0",
        "pair-plain-gate-seed0",
        "pair-plain-none-seed1",
    ]
    said = capsys.readouterr().out
    assert "the same command goes on" in said
    assert "One seed" in said

    failing = InThisProcess(failing="gate-seed1")
    with pytest.raises(PolysceneError) as raised:
        run_suite(wanted, folder, tiny_host(), launch=failing)
    assert list(map(without_hash, failing.ran)) == ["pair-plain-none-seed1", "pair-plain-gate-seed1"]
    assert "1 of 4 runs failed" in str(raised.value)
    assert re.search(r"pair-plain-gate-seed1-\w+: trainer: the loss is not a number\n", str(raised.value))
    assert "2 of them finished before" in capsys.readouterr().out
    page = (folder / "report.html").read_text()
    assert "the loss is not a number" in page

    last = InThisProcess()
    page = run_suite(wanted, folder, tiny_host(), launch=last).read_text()
    assert list(map(without_hash, last.ran)) == ["pair-plain-gate-seed1"]
    said = capsys.readouterr().out
    assert re.search(r"none +0\.\d{4} ± 0\.\d{4}", said)
    assert re.search(r"gate +0\.\d{4} ± 0\.\d{4}", said)
    assert "the loss is not a number" not in page
    for words in ("Two adapters on a shop", "Scenarios compared", "learning curves", "Variants over figures"):
        assert words in page

    again = InThisProcess()
    run_suite(wanted, folder, tiny_host(), launch=again)
    assert again.ran == []


def test_few_shots_and_transfer_have_their_charts_on_the_same_page(suite: Any, tmp_path: Path) -> None:
    wanted = suite(
        seeds=[0],
        methods={"none": ["adapter=none"]},
        protocols={
            "few": {"command": "adapt", "adapt": ["shots=[2,4]", "learn.steps=2", "threads=1"]},
            "transfer": {"command": "transfer", "overrides": ["adapters=[]", "balancers=[]"]},
        },
    )
    launch, folder = InThisProcess(), tmp_path / "bench"
    page = run_suite(wanted, folder, tiny_host(), launch=launch).read_text()
    assert len(launch.ran) == 2 + 2 + 1
    assert "Which scenarios help each other" in page
    assert "labelled rows" in page

    jobs = [job for job in jobs_of(wanted, tiny_host()) if job.command == "adapt"]
    others = [replace(job, method="gate") for job in jobs]
    for job, other in zip(jobs, others, strict=True):
        shutil.copytree(folder / job.name, folder / other.name)
    methods = [row["method"] for row in few_shot_rows([*jobs, *others], folder)]
    assert set(methods) == {
        *("adapted", "no_adaptation", "scratch", "popularity"),
        *("adapted, gate", "no_adaptation, gate"),  # what knows nothing of the method is there once
    }
    assert methods.count("adapted") == methods.count("adapted, gate") > 4


def test_what_starts_from_a_failed_run_is_not_tried(suite: Any, tmp_path: Path) -> None:
    wanted = suite(
        seeds=[0], methods={"none": ["adapter=none"]}, protocols={"few": {"command": "adapt"}}, controls=[]
    )
    launch = InThisProcess(failing="without")
    with pytest.raises(PolysceneError, match=r"it starts from pair-few-none-without-shop-seed0-\w+, which failed"):
        run_suite(wanted, tmp_path / "bench", tiny_host(), launch=launch)
    assert not [name for name in launch.ran if "-to-" in name]


def test_two_processes_do_not_run_one_folder(suite: Any, tmp_path: Path) -> None:
    wanted = suite(seeds=[0], methods={"none": ["adapter=none"]})
    launch = InThisProcess()
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(ConfigError, match="another process runs a suite in this folder"),
    ):
        run_suite(wanted, tmp_path, tiny_host(), launch=launch)
    assert launch.ran == []


def test_a_process_says_why_it_failed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "one.log"
    said = Processes()(["--no-plugins", "train", "scenario=nothing"], log)
    assert "no scenario is chosen" in said
    assert not said.startswith("Error")
    assert "Error: config" in log.read_text()


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("working\nError: trainer: too large\nlower it\n", 2, "trainer: too large\nlower it"),
        ("Error: at once", 2, "at once"),
        ("Traceback\n  line\nValueError: no\n", 1, "ValueError: no"),
        ("working\n", -9, "it was killed by signal 9"),
        ("", 1, "exit code 1"),
    ],
)
def test_the_reason_is_the_message_or_the_last_line(said: str, code: int, reason: str) -> None:
    assert reason_in(said, code) == reason


def test_in_a_line_the_first_problem_is_told() -> None:
    assert (
        in_a_line("config: 2 problems\n  - there is no 'x'\n  - nor 'y'") == "config: 2 problems: there is no 'x'"
    )
    assert in_a_line("trainer: too large\nlower it") == "trainer: too large"
    assert in_a_line("") == ""
