"""Suite files: those that are shipped, and what is said of a bad one before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polyscene.cli import app
from polyscene.comparison.suites.choice import narrowed
from polyscene.comparison.suites.files import read_suite, suites
from polyscene.comparison.suites.jobs import jobs_of
from polyscene.config.folder import conf_dir
from polyscene.errors import ConfigError
from polyscene.registry.host import Host, load_host
from tests.tiny import tiny_host

SHIPPED = ("cold_start", "departments", "few_shot", "five_scenarios", "ml1m_domains", "quick")


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def test_six_suites_are_shipped(host: Host) -> None:
    assert tuple(suites(host)) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_suite_is_made_of_runs_that_compose(name: str, host: Host) -> None:
    suite = read_suite(name, host)
    part = narrowed(suite, {"methods": next(iter(suite.methods)), "seeds": "0"})
    if name == "few_shot":  # each scenario that is held out is checked as well
        part = replace(part, scenarios={group: names[-2:] for group, names in part.scenarios.items()})
    jobs = jobs_of(part, host)
    assert {job.group for job in jobs} == set(suite.scenarios)
    assert {job.protocol for job in jobs} == set(suite.protocols)
    assert len({job.name for job in jobs}) == len(jobs)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_opens_with_purpose_command_and_override(name: str) -> None:
    lines = (conf_dir() / "suite" / f"{name}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith(f"# Used by:  polyscene bench {name}")
    assert lines[2].startswith(f"# Override: polyscene bench {name} ")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scenarios": {"pair": ["shop", "lieks"]}}, r"'scenarios.pair': .*'lieks'.*did you mean 'likes'"),
        ({"scenarios": {"pair": []}}, r"'scenarios.pair' names no scenario"),
        ({"scenarios": {}}, r"'scenarios' is empty"),
        ({"methods": {"a/b": ["adapter=none"]}}, r"'methods' has 'a/b'.*become folders"),
        ({"seeds": [0, 0]}, r"'seeds' names a seed twice"),
        ({"seeds": ["one"]}, r"'seeds\[0\]' is 'one'"),
        ({"against": "gaet"}, r"'against' names 'gaet'.*did you mean 'gate'"),
        ({"protocol": {}}, r"no option 'protocol'.*did you mean 'protocols'"),
        ({"protocols": {"p": {"command": "trian"}}}, r"'protocols.p.command' is 'trian'"),
        ({"protocols": {"p": {"methods": ["gaet"]}}}, r"protocol 'p' names 'gaet'.*did you mean 'gate'"),
        ({"protocols": {"p": {"adapt": ["shots=4"]}}}, r"'protocols.p.adapt' goes with command: adapt"),
        (
            {"scenarios": {"one": ["shop"]}, "protocols": {"p": {"command": "transfer"}}},
            r"protocol 'p' needs two scenarios in 'one'",
        ),
        ({"overrides": ["scenario.people.max_history=2"]}, r"speaks of a scenario that is in no group"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(suite: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s)suite own.yaml: .*{said}"):
        suite(**changes)


def test_all_mistakes_are_told_at_once(suite: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        suite(scenarios={"a": ["shoop"], "b": ["likse"]})
    assert "2 problems" in str(raised.value)


def test_what_runs_are_made_of_is_checked_before_the_first(suite: Any) -> None:
    bad = suite(methods={"none": ["adapter=none"], "gaet": ["adapter=gaet"], "slow": ["trainer.lrr=1"]})
    with pytest.raises(ConfigError) as raised:
        jobs_of(bad, tiny_host())
    said = str(raised.value)
    assert "pair plain gaet" in said
    assert "did you mean 'gate'" in said
    assert "pair plain slow" in said
    assert "trainer.lrr" in said


def test_no_such_suite_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)there is no suite 'quik'.*did you mean 'quick'"):
        read_suite("quik", tiny_host())
    (tmp_path / "bad.yaml").write_text("title: [")
    with pytest.raises(ConfigError, match=r"bad.yaml: the file cannot be read"):
        read_suite(str(tmp_path / "bad.yaml"), tiny_host())
    (tmp_path / "bad.yaml").write_text("- a list")
    with pytest.raises(ConfigError, match="the file holds no keys"):
        read_suite(str(tmp_path / "bad.yaml"), tiny_host())


def test_a_part_of_a_suite(suite: Any) -> None:
    whole = suite(protocols={"plain": {}, "gated": {"methods": ["gate"]}}, against="gate")
    part = narrowed(whole, {"methods": "none", "seeds": "3,4", "scenarios": None, "protocols": None})
    assert (list(part.methods), part.seeds, list(part.protocols), part.against) == (
        ["none"],
        [3, 4],
        ["plain"],
        "",
    )
    with pytest.raises(ConfigError, match=r"(?s)--methods names 'nnoe'.*did you mean 'none'.*--seeds x"):
        narrowed(whole, {"methods": "nnoe", "seeds": "x"})


def test_the_command_lists_suites_and_tells_mistakes(
    suite_file: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert app.main(["bench"]) == 0
    assert "Every adapter kind on the five built-in scenarios" in capsys.readouterr().out
    path = suite_file(scenarios={"films": ["vidoe", "kg"]})
    assert app.main(["bench", str(path)]) == 2
    said = capsys.readouterr().err
    assert "own.yaml" in said
    assert "'scenarios.films'" in said
    assert "did you mean 'video'" in said
    assert list(tmp_path.iterdir()) == [path]
