"""Social: people whom a person may want to connect with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyscene import (
    Column,
    Component,
    Enrichment,
    Id,
    PriorSpec,
    Scenario,
    ScenarioConfig,
    Split,
    Tables,
    TaskSpec,
    components_of,
    hookimpl,
    imported,
)

POLYSCENE_API = "1.0"
SPACE = "lastfm_user"


@dataclass
class SocialConfig(ScenarioConfig):
    """Options of the scenario.

    Args:
        dataset: ``lastfm_2k`` or ``filmtrust``; ``auto`` takes Last.fm where it can be had and says so if not.
    """

    dataset: str = "auto"


SCENARIO = Scenario(
    name="social",
    title="People to connect with, from who is connected with whom",
    load=imported("polyscene_social.data", "load"),
    item_columns=(Id(space=SPACE), Column("item_id", encoder="friends", options={"space": SPACE})),
    user_columns=(Id(space=SPACE), Column("user_id", encoder="friends", options={"space": SPACE})),
    tasks=(TaskSpec("link", options={"loss": "activity_debiased"}),),
    # Artists come from the music scenario, where it is part of the run.
    priors=(
        PriorSpec("random_walk"),
        PriorSpec("linear", {"l2": 50.0}),
        PriorSpec("neighbor_similarity", {"column": "artists", "optional": True}),
    ),
    user_space=SPACE,
    item_space=SPACE,
    config=SocialConfig,
)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The social scenario."""
    return [SCENARIO]


@hookimpl
def polyscene_components() -> list[Component]:
    """The friends encoder, the kronecker adapter and the activity_debiased loss."""
    return components_of(__name__, "features", "adapter", "loss")


@hookimpl
def polyscene_enrich(
    scenario: str, tables: Tables, loaded: Mapping[str, Tables], splits: Mapping[str, Split]
) -> Enrichment | None:
    """What people listen to, and who are friends among listeners, from train rows of the other scenario."""
    other = {SCENARIO.name: "music", "music": SCENARIO.name}.get(scenario)
    if other is None or other not in loaded or other not in splits:
        return None
    work = "listening" if scenario == SCENARIO.name else "friendship"
    return imported("polyscene_social.listening", work)(tables, loaded[other], splits[other])


@hookimpl
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario and its data set."""
    return [f"pkg://{__name__}.conf"]
