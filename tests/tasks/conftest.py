"""The registry, which tasks need for their losses."""

from __future__ import annotations

import pytest

from polyscene.registry.builtin import builtin_registry
from polyscene.registry.components import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return builtin_registry()
