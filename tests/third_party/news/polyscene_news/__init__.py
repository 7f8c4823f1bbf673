"""News: which article a reader opens next, from its headline, its section and how fresh it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polyscene import (
    Category,
    Component,
    DataAccess,
    Id,
    Scenario,
    ScenarioConfig,
    Tables,
    Text,
    Timestamp,
    components_of,
    hookimpl,
    read_csv,
)

POLYSCENE_API = "1.0"
SAMPLE = Path(__file__).parent / "sample"


@dataclass
class NewsConfig(ScenarioConfig):
    """Options of the news scenario.

    Args:
        folder: where ``articles.csv`` and ``opened.csv`` are; empty takes the generated sample.
    """

    folder: str = ""
    max_history: int = 12


def load(config: NewsConfig, data: DataAccess) -> Tables:
    """Articles and who opened which of them."""
    folder = Path(config.folder) if config.folder else SAMPLE
    articles = read_csv(folder / "articles.csv", ["item_id", "headline", "section", "published"])
    opened = read_csv(folder / "opened.csv", ["user_id", "item_id", "timestamp"])
    source = f"folder {folder}" if config.folder else "GENERATED sample of polyscene-news"
    return Tables(items=articles, interactions=opened, sources=(source,))


NEWS = Scenario(
    "news",
    load,
    title="Articles that a reader opens next",
    item_columns=(Text("headline"), Category("section"), Timestamp("published", encoder="freshness"), Id()),
    config=NewsConfig,
)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The scenario ``news``."""
    return [NEWS]


@hookimpl
def polyscene_components() -> list[Component]:
    """The freshness encoder."""
    return components_of(__name__, "freshness")


@hookimpl
def polyscene_config_paths() -> list[str]:
    """The config of the scenario."""
    return [f"pkg://{__name__}.conf"]
