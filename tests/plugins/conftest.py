"""Data sets as the configs declare them, in the cache of the test session."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from polyscene.data.access import DataAccess
from polyscene.data.datasets import DataSet


@pytest.fixture(scope="session")
def declared(repository: Path) -> dict[str, DataSet]:
    """Every data set that a config of the core or of a built-in plugin declares."""
    found = {}
    for path in sorted(
        [*repository.glob("conf/dataset/*.yaml"), *repository.glob("plugins/*/conf/dataset/*.yaml")]
    ):
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
        files = {name: tuple(options.pop(name, ())) for name in ("files", "folder_files")}
        found[path.stem] = DataSet(name=path.stem, **files, **options)
    return found


@pytest.fixture(scope="session")
def access(declared: dict[str, DataSet], cache_dir: Path) -> DataAccess:
    """Fetches what packages hold; folders of the developer's are not looked at."""
    access = DataAccess(cache=cache_dir, datasets=declared)
    access.root = None
    return access
