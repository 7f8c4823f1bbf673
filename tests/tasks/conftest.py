"""The registry, which tasks need for their losses, and a small BERT."""

from __future__ import annotations

import pytest

from polyscene.registry.builtin import builtin_registry
from polyscene.registry.components import Registry
from tests.backbone.conftest import tiny

__all__ = ["registry", "tiny"]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return builtin_registry()
