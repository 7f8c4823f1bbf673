"""The kit's fixtures, as a plugin's own tests use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polyscene_news

from polyscene import Tables
from polyscene.registry.host import Host


def test_a_short_run_with_options_and_overrides(short_run: Callable[..., Path]) -> None:
    run = short_run(polyscene_news, "news", "adapter=film", max_history=5)
    config = (run / "resolved.yaml").read_text(encoding="utf-8")
    assert "max_history: 5" in config
    assert "name: film" in config
    assert json.loads((run / "metrics.json").read_text(encoding="utf-8"))["results"]


def test_a_host_of_one_plugin(host_with: Callable[..., Host], small_tables: Tables) -> None:
    assert list(host_with(polyscene_news).scenarios) == ["news"]
    assert len(small_tables.items) == 30
