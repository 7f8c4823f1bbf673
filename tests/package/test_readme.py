"""README.md: the commands exist, the links lead somewhere, and the example plugin works as printed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = [line[2:] for line in README.splitlines() if line.startswith("$ ")]


def block(language: str) -> str:
    """The only fenced block of a language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return found


def test_the_two_commands_stand_there_exactly() -> None:
    assert "\npip install -c constraints.txt -e . && polyscene train\n" in README
    assert '\npip install -c constraints.txt -e ".[test]" && pytest\n' in README


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_exists(line: str) -> None:
    from polyscene.cli.app import cli

    program, *words = shlex.split(line)
    assert program == "polyscene"
    command: click.Command = cli
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, name
        command = command.commands[name]


def test_links_lead_to_files(repository: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (repository / link).exists()] == []


@pytest.fixture
def podcast(tmp_path: Path) -> dict[str, str]:
    """Writes the example plugin, installed by hand so that this environment stays as it is; its environment."""
    site = tmp_path / "site"
    package = site / "polyscene_podcast"
    (package / "conf" / "scenario").mkdir(parents=True)
    (package / "__init__.py").write_text(block("python"))
    (package / "conf" / "scenario" / "podcast.yaml").write_text(block("yaml"))
    installed = site / "polyscene_podcast-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.4\nName: polyscene-podcast\nVersion: 0.1.0\n")
    [entry_point] = re.findall(r'^podcast = "(.*)"$', block("toml"), re.MULTILINE)
    (installed / "entry_points.txt").write_text(f"[polyscene.plugins]\npodcast = {entry_point}\n")
    return {**os.environ, "PYTHONPATH": str(site)}


def polyscene(arguments: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "polyscene.cli.app", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_example_plugin_is_short_and_found(podcast: dict[str, str], tmp_path: Path) -> None:
    statements = [line for line in block("python").splitlines() if line.strip()]
    assert len(statements) <= 30
    result = polyscene(["plugins", "list", "--json"], tmp_path, podcast)
    assert result.returncode == 0, result.stderr
    assert "podcast" in {record["name"] for record in json.loads(result.stdout)}


@pytest.mark.slow
def test_the_example_plugin_trains(podcast: dict[str, str], tmp_path: Path) -> None:
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    topics = ["birds of the north", "history of bread", "chess openings", "deep sea animals"]
    items = [f"episode {i}" for i in range(40)]
    pd.DataFrame({"item_id": items, "text": [f"{topics[i % 4]}, part {i}" for i in range(40)]}).to_csv(
        tmp_path / "episodes.csv", index=False
    )
    plays = [(f"u{u}", items[i], 1_700_000_000 + i) for u in range(60) for i in sorted(random.permutation(40)[:8])]
    pd.DataFrame(plays, columns=["user_id", "item_id", "timestamp"]).to_csv(tmp_path / "plays.csv", index=False)
    arguments = ["train", "scenario=podcast", "trainer=smoke", "experiment=none", "run.dir=run"]
    result = polyscene(arguments, tmp_path, podcast)
    assert result.returncode == 0, result.stdout + result.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {row["scenario"] for row in metrics["results"]} == {"podcast"}
    assert (tmp_path / "run" / "report.html").is_file()
