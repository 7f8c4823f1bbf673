"""The guides: every block is a command or a file, commands exist, links lead somewhere, and .ci follows them."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

import polyscene
from polyscene import hooks

REPOSITORY = Path(__file__).resolve().parents[2]


def _follower() -> ModuleType:
    path = REPOSITORY / ".ci" / "readme_examples.py"
    spec = importlib.util.spec_from_file_location("readme_examples", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


FOLLOWER = _follower()
GUIDES: dict[str, Path] = FOLLOWER.GUIDES
README = GUIDES["README"].read_text(encoding="utf-8")
COMMANDS = [
    pytest.param(step.command, id=f"{name}: {step.command[:60]}")
    for name, path in GUIDES.items()
    for step in FOLLOWER.steps(path.read_text(encoding="utf-8"))
    if step.command
]

every_guide = pytest.mark.parametrize("name", GUIDES)


def test_all_guides_are_followed() -> None:
    assert set(GUIDES) >= {"README", "benchmarks", "conf", "plugins"}


def test_the_two_commands_stand_there_exactly() -> None:
    assert "\npip install -c constraints.txt -e . && polyscene train\n" in README
    assert '\npip install -c constraints.txt -e ".[test]" && pytest\n' in README


@every_guide
def test_every_block_is_a_console_or_a_file(name: str) -> None:
    text = GUIDES[name].read_text(encoding="utf-8")
    assert list(FOLLOWER.steps(text))
    assert text.count("\n```") % 2 == 0
    bare = [block[2] for block in FOLLOWER.BLOCK.finditer(text) if not block[1]]
    assert all(name == "README" and block.startswith("pip install -c constraints.txt") for block in bare)


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_exists(line: str) -> None:
    from polyscene.cli.app import cli

    program, *words = shlex.split(line)
    assert program in {"polyscene", "python", "pip", "pytest"}
    command: click.Command = cli
    options = [one for one in cli.params if isinstance(one, click.Option)]
    valued = {name for option in options if not option.is_flag for name in option.opts}
    while program == "polyscene" and isinstance(command, click.Group):
        while words[0].startswith("-"):
            words = words[2 if words[0] in valued else 1 :]
        name = words.pop(0)
        assert name in command.commands, name
        command = command.commands[name]


@every_guide
def test_links_lead_to_files(name: str) -> None:
    path = GUIDES[name]
    links = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]
    assert local
    assert [link for link in local if not (path.parent / link).exists()] == []


@every_guide
def test_files_are_short_and_use_public_names(name: str) -> None:
    for step in FOLLOWER.steps(GUIDES[name].read_text(encoding="utf-8")):
        if step.path.endswith(".py"):
            compile(step.text, step.path, "exec")
            assert len([line for line in step.text.splitlines() if line.strip()]) <= 45, step.path
            for names in re.findall(r"^from polyscene import (.*)$", step.text, re.MULTILINE):
                assert set(names.split(", ")) <= set(dir(polyscene)), step.path


def test_the_guide_to_plugins_names_every_hook() -> None:
    text = GUIDES["plugins"].read_text(encoding="utf-8")
    for hook in (name for name in vars(hooks) if name.startswith("polyscene_")):
        assert f"| `{hook}` |" in text


@pytest.fixture
def readme_plugin() -> str:
    """The module that README.md prints."""
    [text] = [step.text for step in FOLLOWER.steps(README) if step.path.endswith("polyscene_podcast/__init__.py")]
    return text


def test_the_plugin_of_the_readme_is_short(readme_plugin: str) -> None:
    assert len([line for line in readme_plugin.splitlines() if line.strip()]) <= 32


def test_the_plugin_of_the_readme_trains(
    readme_plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    import pandas as pd

    from polyscene import generate
    from polyscene.registry.host import load_host
    from polyscene.scaffold import new_plugin
    from polyscene.testing.backbone import write_small_backbone
    from polyscene.testing.runs import host_of, short_config
    from polyscene.training.run import train

    folder = new_plugin("podcast", "scenario", tmp_path, load_host(no_plugins=True)).folder
    (folder / "polyscene_podcast" / "__init__.py").write_text(readme_plugin)
    tables = generate(users=30, items=20, interactions=300)
    tables.items[["item_id", "text"]].to_csv(tmp_path / "episodes.csv", index=False)
    plays: pd.DataFrame = tables.interactions[["user_id", "item_id", "timestamp"]]
    plays.to_csv(tmp_path / "plays.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    host = host_of(importlib.import_module("polyscene_podcast"))
    del sys.modules["polyscene_podcast"]  # other tests bring plugins of the same name
    model = write_small_backbone(tmp_path / "backbone")
    config = short_config(
        host, {"podcast": {}}, f"backbone.model={model}", f"data.cache={tmp_path / 'cache'}", run=tmp_path / "run"
    )
    run = train(config, host)
    assert '"podcast"' in (run / "metrics.json").read_text()
    assert (run / "report.html").is_file()


class TestFollowing:
    """The program that follows the guides, on small ones."""

    @staticmethod
    def follow(folder: Path, text: str) -> bool:
        return FOLLOWER.follow(text, folder / "work")

    def test_files_are_written_and_commands_run_in_order(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        file = "A file, `a/b.py`:\n\n```python\nprint('hello   there')\n```\n"
        text = f"{file}\n```console\n$ python a/b.py\nhello there\n```\n"
        assert self.follow(tmp_path, text)
        assert "hello   there\n" in capfd.readouterr().out
        assert (tmp_path / "work/a/b.py").read_text() == "print('hello   there')\n"

    @pytest.mark.parametrize(
        ("console", "says"),
        [
            ("$ python -c 1\nsomething", "the guide says that this is printed: something"),
            ("$ python -c 'raise SystemExit(3)'\n$ python -c 'print(12345)'", "exit code 3"),
        ],
    )
    def test_what_is_not_as_the_guide_says_ends_it(
        self, console: str, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert not self.follow(tmp_path, f"```console\n{console}\n```\n")
        said = capfd.readouterr().out
        assert says in said
        assert "\n12345\n" not in said

    def test_a_block_without_a_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no file name before this block of yaml"):
            list(FOLLOWER.steps("Some options.\n\n```yaml\na: 1\n```\n"))

    def test_sections_of_the_readme_are_by_themselves_and_nothing_is_left_out(self) -> None:
        parts = FOLLOWER.parts("README")
        commands = [step.command for step in FOLLOWER.steps(README)]
        assert [step.command for text in parts.values() for step in FOLLOWER.steps(text)] == commands
        assert len(parts) > 3
        assert FOLLOWER.parts("plugins") == {"plugins": GUIDES["plugins"].read_text(encoding="utf-8")}

    def test_all_parts_are_followed_and_those_that_fail_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        def says(word: str) -> str:
            return f"```console\n$ python -c 'print(1)'\n{word}\n```\n"

        guides = {name: tmp_path / f"{name}.md" for name in ("README", "conf")}
        guides["README"].write_text(f"# Top\n## One\n{says('1')}## Two\n{says('2')}")
        guides["conf"].write_text(says("1"))
        monkeypatch.setattr(FOLLOWER, "GUIDES", guides)
        monkeypatch.chdir(tmp_path)
        assert FOLLOWER.main(["--jobs", "2"]) == 1
        said = capfd.readouterr().out
        assert said.count("exit code 0") == 3
        assert said.endswith("not as the guides say: README-Two\n")
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
            "README-One",
            "README-Two",
            "conf",
        }

    @pytest.mark.parametrize(
        ("command", "expected"),
        [
            ("polyscene train scenario=x", "polyscene train scenario=x trainer=smoke"),
            ("polyscene train trainer=quick", "polyscene train trainer=quick"),
            ("polyscene train -m seed=0,1", "polyscene train -m seed=0,1 trainer=smoke experiment=none"),
            (
                "polyscene train scenario=[video,kg]",
                "polyscene train scenario=[video,kg] trainer=smoke scenario.video.dataset=movielens_100k",
            ),
            (
                "polyscene pretrain scenario=ecommerce",
                "polyscene pretrain scenario=ecommerce scenario.ecommerce.households=100",
            ),
            ("polyscene data list", "polyscene data list"),
        ],
    )
    def test_trainings_are_short(self, command: str, expected: str) -> None:
        assert FOLLOWER.shortened(command) == expected.split()
