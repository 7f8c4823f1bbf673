"""A trained run of every kind of scenario that recommends, and an engine of it; nothing in it may change them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.config.schema import DataConfig
from polyscene.serving.engine import Engine
from polyscene.testing.runs import host_of, short_config
from polyscene.training.restore import RestoredRun, restore
from polyscene.training.run import train
from tests import tiny_plugin
from tests.once import Once
from tests.serving.engine import films_plugin
from tests.serving.engine.films_plugin import FILMS
from tests.tiny import ADS, FACTS, LIKES, PEOPLE, SHOP

NAMES = (SHOP, PEOPLE, LIKES, ADS, FILMS)
OPTIONS = {
    FACTS: {},
    SHOP: {"priors": ["recent_popularity", {"name": "linear", "l2": 20.0}]},
    PEOPLE: {"priors": ["random_walk"]},
    LIKES: {},
    # The task reads a sample of the user's training rows itself, and judges pairs by a network.
    ADS: {
        "tasks": [{"name": "click", "options": {"head": "mlp", "hidden": 8, "history": "sample"}}],
        "columns": {"users": {"id": "id"}},
    },
    FILMS: {},
}
SHORT = (
    "router=recognition",
    "adapter=epnet",
    "trainer.lr=0.05",
    "trainer.steps=30",
    "trainer.eval_every=30",
    "trainer.batch_rows=192",
    "controls=[]",
)


@pytest.fixture(scope="session")
def run_folder(once: Once, small_backbone: Path) -> Path:
    def make(folder: Path) -> None:
        host = host_of(tiny_plugin, films_plugin)
        texts = (f"backbone.model={small_backbone}", f"data.cache={folder / 'cache'}")
        train(short_config(host, OPTIONS, *texts, *SHORT, run=folder / "run"), host)

    return once("engine", make) / "run"


@pytest.fixture(scope="session")
def restored(run_folder: Path) -> Callable[[], RestoredRun]:
    """Restores the run anew."""
    host = host_of(tiny_plugin, films_plugin)
    data = DataConfig(cache=str(run_folder.parent / "cache"))
    return lambda: restore(str(run_folder), host, root="", data=data, device="cpu")


@pytest.fixture(scope="session")
def run(restored: Callable[[], RestoredRun]) -> RestoredRun:
    return restored()


@pytest.fixture(scope="session")
def engine(restored: Callable[[], RestoredRun]) -> Engine:
    return Engine.of_run(restored(), version="v1")


@pytest.fixture
def fresh(restored: Callable[[], RestoredRun]) -> Engine:
    """An engine that may be changed."""
    return Engine.of_run(restored(), version="v1")
