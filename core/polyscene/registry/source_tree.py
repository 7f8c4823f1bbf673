"""A plugin in a folder, installed or not: what its pyproject.toml declares."""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

from polyscene.errors import PluginError, did_you_mean
from polyscene.registry.discovery import GROUP, Candidate

_DECLARE = f'declare it: [project.entry-points."{GROUP}"] with a line NAME = "MODULE"'


def candidates_in(folder: Path) -> list[Candidate]:
    """The plugins that a folder's ``pyproject.toml`` declares; their modules can be imported from then on.

    Args:
        folder: the root of a package; its modules are beside ``pyproject.toml`` or one folder below (``src``).

    Raises:
        PluginError: the file is missing or malformed, declares no plugin, or names a module that is not there.
    """
    file = folder / "pyproject.toml"
    project = _project(file)
    points = project.get("entry-points", {})
    declared = points.get(GROUP, {})
    if not declared:
        hint = f"{did_you_mean(GROUP, points)}; " if points else ""
        raise PluginError("it declares no plugin", where=str(file), fix=hint + _DECLARE)
    for name, module in declared.items():
        root = _root(folder, str(module))
        if root is None:
            raise PluginError(
                f"plugin '{name}' is the module {module}, which is not in this folder",
                where=str(file),
                fix="name the package that holds the hooks, or add it beside pyproject.toml or in src/",
            )
        if str(root) not in sys.path[:1]:
            sys.path.insert(0, str(root))
    distribution, version = str(project.get("name", folder.name)), str(project.get("version", ""))
    return [
        Candidate(name, metadata.EntryPoint(name, str(module), GROUP), distribution, version)
        for name, module in declared.items()
    ]


def _project(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise PluginError(
            "there is no such file", where=str(file), fix="name the folder that holds pyproject.toml"
        )
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PluginError(f"it is no valid TOML ({error})", where=str(file), fix="mend it") from None


def _root(folder: Path, module: str) -> Path | None:
    """The folder to import a module from."""
    path = module.partition(":")[0].replace(".", "/")
    below = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    for root in (folder, *below):
        if (root / path / "__init__.py").is_file() or (root / f"{path}.py").is_file():
            return root.resolve()
    return None
