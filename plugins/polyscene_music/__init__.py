"""Music: artists that a listener will like, from how often everyone listens to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyscene import (
    Column,
    Component,
    Id,
    PriorSpec,
    Scenario,
    ScenarioConfig,
    TaskSpec,
    Text,
    Way,
    components_of,
    hookimpl,
    imported,
)

if TYPE_CHECKING:
    from polyscene import Enrichment, Tables

POLYSCENE_API = "1.0"


@dataclass
class MusicConfig(ScenarioConfig):
    """Options of the scenario.

    Args:
        enrich: what the facts about artists give to them (``verbalized``, ``attention``, ``side_vectors``), where
            ``kg.parquet`` and ``kg_link.parquet`` lie beside the listening data. Named or not, facts at hand
            explain recommendations.
    """

    enrich: Way | list[Way] = field(default_factory=list)


SCENARIO = Scenario(
    name="music",
    title="Artists to listen to, weighted by how often they were played",
    load=imported("polyscene_music.data", "load"),
    # The text is the artist's name only: the source's tags name listeners of the artist, see features.py.
    item_columns=(Text(), Id(), Column("item_id", encoder="tag_profile")),
    user_columns=(Id(space="lastfm_user"),),
    tasks=(TaskSpec("ranking", options={"loss": "listener_confidence"}),),
    # Friends come from the social scenario, where it is part of the run.
    priors=(
        PriorSpec("linear", {"l2": 2000.0, "log_weights": True}),
        PriorSpec("content"),
        PriorSpec("social_neighbors", {"optional": True}),
    ),
    user_space="lastfm_user",
    config=MusicConfig,
)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The music scenario."""
    return [SCENARIO]


@hookimpl
def polyscene_components() -> list[Component]:
    """The tag_profile encoder, the rotation adapter and the listener_confidence loss."""
    return components_of(__name__, "features", "adapter", "loss")


@hookimpl
def polyscene_enrich(scenario: str, tables: Tables, options: dict[str, Any]) -> Enrichment | None:
    """What the facts about artists say of them, where they are at hand."""
    if scenario != SCENARIO.name or tables.facts is None:
        return None
    return imported("polyscene_music.facts", "artist_facts")(tables, options[scenario].enrich)


@hookimpl
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario."""
    return [f"pkg://{__name__}.conf"]
