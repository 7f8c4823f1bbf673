"""The news plugin: what the kit has for its scenario, its encoder and its files, and what is special about it."""

from __future__ import annotations

from pathlib import Path

import polyscene_news
import torch
from polyscene_news.freshness import COMPONENTS

from polyscene import DataAccess, Tables, Timestamp
from polyscene.testing import EncoderSuite, ScenarioSuite, SourceSuite


class TestNews(ScenarioSuite):
    plugin = polyscene_news
    scenario = "news"


class TestFreshness(EncoderSuite):
    component = COMPONENTS[0]
    column = Timestamp("timestamp", encoder="freshness")

    def test_an_article_of_the_half_life_is_half_as_fresh(self) -> None:
        bound = self.fitted()
        frame = self.frame()
        frame.loc[0, "timestamp"] = bound.encoder.newest - 12 * 3600
        bound.bind(frame)
        torch.testing.assert_close(bound.encoder.feature_NF[0], torch.tensor([2.0**-6, 0.5, 2 ** (-1 / 6), 1.0]))


class TestFiles(SourceSuite):
    files = polyscene_news.SAMPLE

    def load(self, folder: Path) -> Tables:
        config = polyscene_news.NewsConfig(folder=str(folder))
        return polyscene_news.load(config, DataAccess(offline=True))
