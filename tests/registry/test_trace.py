"""The trace of hook calls: one line each, where it is asked for and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.registry.host import Host, load_host
from polyscene.registry.trace import VARIABLE
from tests.plugin_factory import GOOD

Install = Callable[..., str]
LISTENER = """
@hookimpl
def polyscene_run_finished(run, status):
    if status == "failed":
        raise OSError("disk gone")
"""


@pytest.fixture
def host(install: Install) -> Callable[[], Host]:
    install("quiz", GOOD.format(scenario="quiz") + LISTENER)
    return lambda: load_host(allow=["quiz"])


def test_every_call_says_plugin_arguments_answer_and_time(
    host: Callable[[], Host], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    plugins = host()
    plugins.call("polyscene_run_finished", run=Path("runs/a"), status="finished")
    plugins.call("polyscene_run_finished", run=None, status="failed")
    plugins.call("polyscene_run_finished", run=None, status="failed")  # stopped by now
    said = capsys.readouterr()
    lines = [re.sub(r"[\d.]+ ms$", "T ms", line) for line in said.err.splitlines()]
    who = "quiz (polyscene-quiz 0.2.0)"
    assert [line for line in lines if line.startswith("trace: ")] == [
        f"trace: polyscene_scenarios() of {who}: 1 Scenario, T ms",
        f"trace: polyscene_run_finished(run=runs/a, status='finished') of {who}: None, T ms",
        f"trace: polyscene_run_finished(run=None, status='failed') of {who}: raised OSError: disk gone, T ms",
    ]
    assert said.out == ""


def test_large_arguments_are_shown_by_kind_and_size(
    host: Callable[[], Host], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    host().call("polyscene_run_finished", run={"a": 1, "b": 2}, status="x" * 1000)
    assert f"(run=dict of 2, status='{'x' * 56}...)" in capsys.readouterr().err


def test_each_plugin_is_asked_once_and_answers_for_itself(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    for name in ("one", "two"):
        answer = f"\n@hookimpl\ndef polyscene_run_finished(status):\n    return {name!r}\n"
        install(name, GOOD.format(scenario=name) + answer)
    found = load_host(allow=["one", "two"]).call("polyscene_run_finished", run=None, status="finished")
    assert found == {"one": "one", "two": "two"}
    asked = [line for line in capsys.readouterr().err.splitlines() if "run_finished" in line]
    assert [line.split(" of ")[1].split()[0] for line in asked] == ["one", "two"]


@pytest.mark.parametrize("value", ["", "0", None])
def test_nothing_is_said_unasked(
    value: str | None,
    host: Callable[[], Host],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    host().call("polyscene_run_finished", run=None, status="finished")
    assert capsys.readouterr().err == ""


def test_the_option_of_the_command_line_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from polyscene.cli import app

    monkeypatch.setenv(VARIABLE, "0")  # and gets it back afterwards
    monkeypatch.setenv("POLYSCENE_PLUGINS", "video")
    assert app.main(["--trace", "plugins", "list", "--json"]) == 0
    assert "trace: polyscene_components() of video" in capsys.readouterr().err
