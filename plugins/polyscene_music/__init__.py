"""Music: artists that a listener will like, from how often everyone listens to whom."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene import (
    Column,
    Component,
    Id,
    Scenario,
    ScenarioConfig,
    TaskSpec,
    Text,
    components_of,
    hookimpl,
    imported,
)

POLYSCENE_API = "1.0"


@dataclass
class MusicConfig(ScenarioConfig):
    """Options of the scenario: those that every scenario has."""


SCENARIO = Scenario(
    name="music",
    title="Artists to listen to, weighted by how often they were played",
    load=imported("polyscene_music.data", "load"),
    # The text is the artist's name only: the source's tags name listeners of the artist, see features.py.
    item_columns=(Text(), Id(), Column("item_id", encoder="tag_profile")),
    user_columns=(Id(space="lastfm_user"),),
    tasks=(TaskSpec("ranking", options={"loss": "listener_confidence"}),),
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
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario."""
    return [f"pkg://{__name__}.conf"]
