"""What every test shares: no network for model files, at most two threads, a cache of its own, the shared data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import browser, one_browser  # noqa: F401  (fixtures)
from tests.once import Once, once  # noqa: F401  (a fixture)
from tests.postgres import postgres  # noqa: F401  (a fixture)

pytest_plugins = ["polyscene.testing.fixtures"]

# Where several processes share the cores, one thread each.
MAX_THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2

# Read by torch and the tokenizers when they are first imported, so they must be set before any test module is.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    _asked = os.environ.get(_variable, "")
    os.environ[_variable] = str(min(int(_asked), MAX_THREADS) if _asked.isdigit() else MAX_THREADS)

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: one that begins when the others are done would be waited for alone."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data beside the repository; tests that need it are skipped, loudly, without it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"NO REAL DATA: this test needs the shared data folder {os.path.relpath(folder, REPOSITORY)}")
    return folder


@pytest.fixture(scope="session")
def cache_dir(once: Once) -> Path:  # noqa: F811  (the fixture)
    """The cache of this test session, filled once and shared by all tests (never the user's own cache)."""
    return once("cache", lambda folder: None)


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    """Undoes the settings of a training in this process (Hypothesis refuses to run without subnormal numbers)."""
    yield
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_flush_denormal(False)
        torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(cache_dir: Path) -> None:
    os.environ["POLYSCENE_CACHE"] = str(cache_dir)
