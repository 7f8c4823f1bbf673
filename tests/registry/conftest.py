"""A folder on ``sys.path`` that stands for site-packages, empty at the start of each test."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polyscene.registry.host import ALLOW_VARIABLE
from tests.plugin_factory import install_plugin


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """``install(name, source, ...)`` makes a distribution that the test's process can import."""
    monkeypatch.delenv(ALLOW_VARIABLE, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def make(name: str, source: str, **options: object) -> str:
        made = install_plugin(tmp_path, name, source, **options)
        importlib.invalidate_caches()
        return made

    yield make
    for module in set(sys.modules) - before:
        if module.startswith("polyscene_"):
            del sys.modules[module]
