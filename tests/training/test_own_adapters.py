"""A run in which scenarios have adapters of their own: trained together, counted apart, and restored."""

from __future__ import annotations

from pathlib import Path

from polyscene.config.schema import EvaluateConfig
from polyscene.evaluation.run import evaluate
from polyscene.report import read_metrics
from polyscene.training.run import train
from tests.tiny import FACTS, PEOPLE, SHOP, THREE, tiny_config, tiny_host

FEW = ("trainer.steps=3", "trainer.eval_every=3", "controls=[single]")


def test_scenarios_with_adapters_of_their_own(tmp_path: Path) -> None:
    own = {"adapter": {"name": "fusion", "rank": 4, "adapters": {"a": "gate", "b": {"name": "star"}}}}
    config = tiny_config(tmp_path / "run", THREE, *FEW, **{SHOP: own, FACTS: {"adapter": "gate"}})
    run = train(config, tiny_host())
    found, d_model = read_metrics(run), config.model.d_model
    counts = found["parameters"]["adapters"]
    assert counts[FACTS] == counts[PEOPLE] == 2 * d_model  # for users and for items
    assert counts[SHOP] > counts[FACTS] + 2 * 2 * 4 * d_model  # a gate, queries and keys, and a star
    again = read_metrics(evaluate(EvaluateConfig(str(run), device="cpu"), tiny_host()))

    def values(metrics: dict) -> set:
        keys = ("scenario", "view", "population", "method", "metric", "value")
        return {tuple(row[key] for key in keys) for row in metrics["results"]}

    assert values(again) == values(found)
    assert {row["method"] for row in found["results"]} >= {"joint", "single"}
