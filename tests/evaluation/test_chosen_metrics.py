"""Metrics that a config chooses stand in the results beside those that always do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polyscene.errors import ConfigError
from polyscene.training.run import train
from tests.tiny import SHOP, tiny_config, tiny_host


def test_they_are_reported_under_their_names(tmp_path: Path) -> None:
    chosen = "metrics=[{name: ndcg, k: 3}, novelty, {name: average_precision, k: 10}]"
    config = tiny_config(tmp_path / "run", (SHOP,), "trainer.steps=5", "controls=[popularity]", chosen)
    run = train(config, tiny_host())
    rows = json.loads((run / "metrics.json").read_text())["results"]
    values = {(row["method"], row["population"], row["metric"]): row["value"] for row in rows}
    for method in ("joint", "popularity"):
        short, long = (values[method, "warm", f"ndcg@{k}"] for k in (3, 10))
        assert 0 <= short <= long + 1e-9, "of one target, a longer list holds no less"
        assert values[method, "warm", "novelty"] > 0
        # One target each: precision at the target is its reciprocal rank.
        assert values[method, "warm", "average_precision@10"] <= values[method, "warm", "mrr"] + 1e-9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("metrics=[ndgc]", "there is no metric called 'ndgc': did you mean 'ndcg'"),
        ("metrics=[{name: ndcg, k: 0}]", "metrics"),
        ("metrics=ndcg", "write a list"),
    ],
)
def test_mistakes_are_said_before_anything_is_loaded(given: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tiny_config("", (SHOP,), given)
