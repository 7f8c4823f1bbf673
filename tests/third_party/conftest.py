"""The packages of third parties, importable as if they were installed, and hosts with some of their plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.registry.discovery import Candidate
from polyscene.registry.host import Host, load_host
from polyscene.registry.source_tree import candidates_in

# Their own tests import them, so this must be done before any is collected.
CANDIDATES = [
    one for name in ("broken", "adapters", "news") for one in candidates_in(Path(__file__).parent / name)
]


@pytest.fixture(scope="session")
def candidates() -> list[Candidate]:
    """The plugins of all three packages, the broken ones last."""
    return sorted(CANDIDATES, key=lambda one: (one.distribution == "polyscene-broken", one.name))


@pytest.fixture(scope="session")
def host_named(candidates: list[Candidate]) -> Callable[..., Host]:
    """``host_named(name, ...)`` loads these plugins of theirs and no others."""

    def load(*names: str) -> Host:
        return load_host(names, candidates=candidates)

    return load
