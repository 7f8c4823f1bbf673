"""The rules of the house: who may import whom, what every file says about itself, which names are public."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import polyscene

REPOSITORY = Path(__file__).resolve().parents[2]
CORE = sorted((REPOSITORY / "core").rglob("*.py"))
PLUGINS = sorted((REPOSITORY / "plugins").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name (empty for a plain import) of every import in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_the_core_never_imports_or_names_a_plugin() -> None:
    plugins = {folder.name for folder in (REPOSITORY / "plugins").iterdir() if folder.is_dir()}
    assert len(plugins) >= 5
    word = re.compile(r"\b(" + "|".join(sorted(plugins)) + r")\b")
    named = {name_of(path) for path in CORE if word.search(path.read_text(encoding="utf-8"))}
    assert named == set()


def test_plugins_use_public_names_only() -> None:
    public = set(dir(polyscene))
    private = {
        f"{name_of(path)}: from {module} import {name}"
        for path in PLUGINS
        for module, name in imported(path)
        if module.split(".")[0] == "polyscene" and (module != "polyscene" or name not in public)
    }
    assert private == set()


def test_plugins_do_not_import_each_other() -> None:
    foreign = {
        f"{name_of(path)}: {module}"
        for path in PLUGINS
        for module, _ in imported(path)
        if module.startswith("polyscene_") and module.split(".")[0] not in path.parts
    }
    assert foreign == set()


def test_public_names_are_importable() -> None:
    names = [name for name in dir(polyscene) if not name.startswith("_")]
    assert "Scenario" in names
    for name in names:
        assert getattr(polyscene, name) is not None


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Scenery"):
        polyscene.Scenery  # noqa: B018  (reading it is the test)


def test_every_module_says_what_it_is() -> None:
    silent = {name_of(path) for path in [*CORE, *PLUGINS] if not ast.get_docstring(ast.parse(path.read_bytes()))}
    assert silent == set()


def test_every_package_is_typed() -> None:
    packages = [REPOSITORY / "core" / "polyscene", *(REPOSITORY / "plugins").glob("polyscene_*")]
    assert [package.name for package in packages if not (package / "py.typed").is_file()] == []


def test_files_stay_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*CORE, *PLUGINS]}
    assert {name: length for name, length in lengths.items() if length > 300} == {}
    assert sum(length < 150 for length in lengths.values()) > 0.8 * len(lengths), "most files hold one idea"


UNSAFE_MODULES = {"pickle", "dill", "shelve", "marshal", "cloudpickle", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "os.system", "pandas.read_pickle"}
UNSAFE_FLAGS = {"allow_pickle", "shell", "trust_remote_code", "weights_only"}


def test_nothing_loads_or_runs_code_from_data() -> None:
    found = {
        f"{name_of(path)}: {module}"
        for path in [*CORE, *PLUGINS]
        for module, _ in imported(path)
        if module.split(".")[0] in UNSAFE_MODULES
    }
    for path in [*CORE, *PLUGINS]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                flags = {keyword.arg for keyword in node.keywords if ast.unparse(keyword.value) != "False"}
                name = ast.unparse(node.func).replace("pd.", "pandas.")
                if name in UNSAFE_CALLS or flags & UNSAFE_FLAGS:
                    found.add(f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}")
    assert found == set()
