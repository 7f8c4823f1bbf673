"""Fixtures for a plugin's own tests: one line in its ``conftest.py`` brings them.

pytest_plugins = ["polyscene.testing.fixtures"]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from polyscene.data.generated import generate
from polyscene.data.tables import Tables
from polyscene.registry.host import Host
from polyscene.testing.backbone import write_small_backbone
from polyscene.testing.runs import host_of, short_config
from polyscene.training.run import train


@pytest.fixture(scope="session")
def small_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random pretrained model, for ``backbone.model=FOLDER``: it needs no download."""
    return write_small_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="session")
def small_tables() -> Tables:
    """Generated tables of 40 people and 30 items, with texts, ratings, times, links and facts."""
    return generate(users=40, items=30, interactions=400, seed=1, clusters=3)


@pytest.fixture
def host_with() -> Callable[..., Host]:
    """``host_with(module, ...)`` loads these plugins and no others, installed or not."""
    return host_of


@pytest.fixture
def short_run(small_backbone: Path, tmp_path: Path) -> Callable[..., Path]:
    """``short_run(module, "podcast", "adapter=star", folder=...)`` trains a scenario for a few steps.

    Arguments are the plugin's module, the scenario's name and overrides as on the command line; keywords are
    options of the scenario. It returns the run's folder.
    """

    def run(plugin: ModuleType, scenario: str, *overrides: str, **options: Any) -> Path:
        given = (f"backbone.model={small_backbone}", f"data.cache={tmp_path / 'cache'}", *overrides)
        host = host_of(plugin)
        return train(short_config(host, {scenario: options}, *given, run=tmp_path / "run"), host)

    return run
