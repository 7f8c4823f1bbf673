"""Provenance: where the data of a run came from, in its metrics.json."""

from __future__ import annotations

from typing import Any

from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session


def source_of(session: Session, name: str, loaded: LoadedScenario) -> dict[str, Any]:
    """What metrics.json says about where a scenario's data came from."""
    tables = loaded.tables
    dataset = session.config.dataset.get(loaded.config.dataset)
    return {
        "title": (dataset.title if dataset else "") or loaded.scenario.title or name,
        "origin": session.access.place(dataset.name) if dataset else next(iter(tables.sources), ""),
        "terms": dataset.terms if dataset else "",
        "citation": dataset.citation if dataset else "",
        "notes": list(tables.sources[1:]),
        "counts": {
            "users": len(tables.users),
            "items": len(tables.items),
            "interactions": len(tables.interactions),
        },
        "dropped": dict(tables.dropped),
    }
