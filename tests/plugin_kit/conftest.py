"""New plugins of each kind, written once; a copy of one to break; the command line in this process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyscene.cli import app
from polyscene.registry.host import ALLOW_VARIABLE, Host, load_host
from polyscene.scaffold import new_plugin

NAMES = {"scenario": "quizzes", "adapter": "squeeze", "loss": "focal", "prior": "common", "policy": "curious"}


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def installed() -> Host:
    """The plugins that are installed."""
    return load_host()


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, installed: Host) -> Path:
    """A folder with a new plugin of each kind."""
    folder = tmp_path_factory.mktemp("new")
    for kind, name in NAMES.items():
        new_plugin(name, kind, folder, installed)
    return folder


@pytest.fixture
def copy_of(written: Path, tmp_path: Path) -> Callable[[str], Path]:
    """``copy_of(kind)`` is a folder with the new plugin of that kind."""
    return lambda kind: Path(shutil.copytree(written / NAMES[kind], tmp_path / NAMES[kind]))


@pytest.fixture
def clean_imports() -> Iterator[None]:
    """Forgets what a test imports of new plugins, and where from."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for module in set(sys.modules) - modules:
        if module.startswith(("polyscene_", "test_")):
            del sys.modules[module]


@pytest.fixture
def polyscene(
    clean_imports: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """``polyscene(*arguments)`` runs a command in this process, with one plugin beside the one in question."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv(ALLOW_VARIABLE, "video")

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = app.main(arguments)
        shown = capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err
        return Said(code, shown.out, shown.err)

    return run
