"""A stranger's plugin on this process's path, good files for it, and the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from polyscene.cli import app
from polyscene.registry.host import ALLOW_VARIABLE
from tests.end_to_end import podcast


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def good_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("podcast") / "good"
    podcast.write_files(folder)
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder beside site-packages with the plugin and a broken one."""
    folder = tmp_path_factory.mktemp("site")
    podcast.install(folder)
    return folder


@pytest.fixture
def files(good_files: Path, tmp_path: Path) -> Path:
    """A copy of the good files, to be broken."""
    return podcast.copy_of(good_files, tmp_path / "files")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The folder in which commands run."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def polyscene(
    site: Path, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """``polyscene(*arguments)`` runs a command in this process, with the stranger's two plugins only."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(work)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv(ALLOW_VARIABLE, "podcast,cracked")
    monkeypatch.delenv("POLYSCENE_DATA", raising=False)
    monkeypatch.setenv("POLYSCENE_CACHE", str(work.parent / "cache"))

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = app.main(arguments)
        shown = capsys.readouterr()
        return Said(code, shown.out, shown.err)

    yield run
    # Other tests bring plugins of the same name.
    for module in [name for name in sys.modules if name.startswith("polyscene_podcast")]:
        del sys.modules[module]
