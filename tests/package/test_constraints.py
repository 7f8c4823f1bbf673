"""constraints.txt pins everything that is installed for Polyscene, exactly and nothing more."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


@pytest.fixture(scope="module")
def pins(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9._-]+==[0-9][0-9a-z.]*", entry) for entry in entries)
    return dict(entry.split("==") for entry in entries)


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_pins_are_sorted_and_name_no_build_and_no_address(repository: Path, pins: dict[str, str]) -> None:
    text = (repository / "constraints.txt").read_text(encoding="utf-8")
    assert list(pins) == sorted(pins)
    assert pins["torch"] == "2.13.0"
    assert "://" not in text
    assert not re.search(r"^(-|--)", text, re.MULTILINE)


def test_direct_dependencies_are_pinned_inside_their_range(project: dict, pins: dict[str, str]) -> None:
    for text in direct(project):
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text


def test_everything_that_comes_along_is_pinned_at_the_tested_version(project: dict, pins: dict[str, str]) -> None:
    installed = dict(closure(direct(project)))
    assert installed.keys() <= pins.keys(), "add to constraints.txt"
    assert {name: str(Version(v).public) for name, v in installed.items()} == {n: pins[n] for n in installed}


def test_every_import_is_a_declared_dependency(repository: Path, project: dict) -> None:
    declared = {canonicalize_name(Requirement(text).name) for text in direct(project)}
    providers = importlib.metadata.packages_distributions()
    own = {"polyscene", *(path.name for path in (repository / "plugins").iterdir())}
    undeclared = {
        f"{path.relative_to(repository)}: {module}"
        for folder in ("core", "plugins")
        for path in (repository / folder).rglob("*.py")
        for module in third_party_imports(path)
        if module not in own and not declared & {canonicalize_name(d) for d in providers.get(module, [module])}
    }
    assert undeclared == set()


def third_party_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names)


def direct(project: dict) -> list[str]:
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(text for extra in extras for text in extra)]


def closure(requirements: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and version of every installed distribution that the requirements bring."""
    waiting, seen = [Requirement(text) for text in requirements], set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # an extra that this environment leaves out
        yield name, found.version
        for text in found.requires or []:
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                waiting.append(inner)
