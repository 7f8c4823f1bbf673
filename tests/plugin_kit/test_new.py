"""``polyscene plugins new``: a complete package whose tests pass, or one message and no file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from polyscene.errors import PluginError
from polyscene.hooks import API_VERSION
from polyscene.registry.host import Host
from polyscene.scaffold import KINDS, new_plugin
from tests.plugin_kit.conftest import NAMES, Said

every_kind = pytest.mark.parametrize("kind", KINDS)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_kind_has_a_name_here() -> None:
    assert set(KINDS) == set(NAMES)


@every_kind
def test_the_package_is_complete(kind: str, written: Path) -> None:
    name, folder = NAMES[kind], written / NAMES[kind]
    module = f"polyscene_{name}/__init__.py"
    assert files(folder) >= {"pyproject.toml", "README.md", module, f"tests/test_{name}.py"}
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["polyscene.plugins"] == {name: f"polyscene_{name}"}
    assert f'POLYSCENE_API = "{API_VERSION[0]}.{API_VERSION[1]}"' in (folder / module).read_text()
    for file in folder.rglob("*"):
        if file.is_file():
            text = file.read_text()
            assert not {"{{", "{%", "}}}"} & set(text.split()), file
            assert file.name == "py.typed" or text.endswith("\n"), file
    for file in folder.rglob("*.yaml"):
        assert yaml.safe_load(file.read_text())
        assert file.read_text().count("polyscene train ") == 2, "the command and an override"


def test_the_one_file_to_edit_is_short(written: Path) -> None:
    lines = (written / "quizzes/polyscene_quizzes/__init__.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 40


@pytest.mark.usefixtures("clean_imports")
def test_the_tests_of_new_packages_pass(
    written: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Those of all kinds, in a pytest of their own, as in each package's pyproject.toml."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    folders = [str(written / name) for name in NAMES.values()]
    settings = ["-c", os.devnull, "-p", "no:cacheprovider", "-o", f"pythonpath={' '.join(folders)}"]
    code = pytest.main([*settings, *(f"{folder}/tests" for folder in folders)])
    said = capfd.readouterr().out
    assert code == 0, said
    assert re.search(r"\b[5-9]\d passed", said)
    assert "skipped" not in said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("my-podcast", "use letters, digits and _: my_podcast"),
        ("2nd", "use letters, digits and _: my_2nd"),
        ("Podcast", "use letters, digits and _: podcast"),
        ("", "use letters, digits and _: my_plugin"),
        ("../elsewhere", "use letters, digits and _: elsewhere"),
        ("радио", "use letters, digits and _: my_plugin"),
        ("class", "try class_scenario"),
        ("null", "try null_scenario"),
        ("on", "try on_scenario"),
        ("nan", "try nan_scenario"),
        ("none", "try none_scenario"),
        ("video", r"plugin 'video' is installed \(polyscene .*\): choose another name"),
        ("kg", "scenario 'kg' is brought by plugin 'kg'"),
    ],
)
def test_a_name_that_will_not_do(name: str, says: str, installed: Host, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=says):
        new_plugin(name, "scenario", tmp_path, installed)
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("gate", "adapter", "adapter 'gate' is one of Polyscene's own"),
        ("softmax", "loss", "loss 'softmax' is one of Polyscene's own"),
        ("excitation", "adapter", "adapter 'excitation' is brought by plugin 'video'"),
    ],
)
def test_a_component_that_is_taken(name: str, kind: str, says: str, installed: Host, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=says):
        new_plugin(name, kind, tmp_path, installed)


def test_a_module_that_exists_already(installed: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "polyscene_quizzes.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match="a module polyscene_quizzes exists already"):
        new_plugin("quizzes", "scenario", tmp_path, installed)


def test_a_folder_with_something_in_it_stays_as_it_is(installed: Host, tmp_path: Path) -> None:
    (tmp_path / "quizzes").mkdir()
    new_plugin("quizzes", "loss", tmp_path, installed)  # an empty one is taken
    before = files(tmp_path)
    with pytest.raises(PluginError, match="there is something already"):
        new_plugin("quizzes", "scenario", tmp_path, installed)
    assert files(tmp_path) == before


def test_a_place_that_cannot_be_written_to(installed: Host, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PluginError, match="the package cannot be written"):
        new_plugin("quizzes", "scenario", tmp_path / "file" / "below", installed)


def test_the_command_says_what_is_next(polyscene: Callable[..., Said], tmp_path: Path) -> None:
    said = polyscene("plugins", "new", "squeeze", "--kind", "adapter", "--into", "mine")
    assert said.code == 0, said.err
    assert (tmp_path / "mine/squeeze/polyscene_squeeze/adapter.py").is_file()
    assert "polyscene_squeeze/conf/adapter/squeeze.yaml" in said.out
    assert "pip install -e mine/squeeze" in said.out
    assert "polyscene train adapter=squeeze" in said.out


def test_the_command_refuses_in_one_message(polyscene: Callable[..., Said], tmp_path: Path) -> None:
    said = polyscene("plugins", "new", "my-podcast")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "Error: the plugin name 'my-podcast': it is not a lower-case identifier",
        "use letters, digits and _: my_podcast",
    ]
    assert files(tmp_path) == set()
