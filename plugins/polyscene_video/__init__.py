"""Video: what a viewer watches next, from ratings in the order in which they were given."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene import (
    Category,
    Component,
    Id,
    Number,
    PriorSpec,
    Scenario,
    ScenarioConfig,
    Tags,
    TaskSpec,
    Text,
    Timestamp,
    components_of,
    hookimpl,
    imported,
)

POLYSCENE_API = "1.0"


@dataclass
class VideoConfig(ScenarioConfig):
    """Options of the video scenario: those that every scenario has.

    Args:
        dataset: ``movielens_1m`` or ``movielens_100k``.
    """

    dataset: str = "movielens_1m"


VIDEO = Scenario(
    name="video",
    title="Films that a viewer watches next, and how they will be rated",
    load=imported("polyscene_video.data", "load"),
    item_columns=(Text(), Id(), Tags("genres"), Number("year")),
    user_columns=(Category("age_group"), Category("gender"), Category("occupation")),
    event_columns=(Timestamp(encoder="watch_gap"), Number("rating")),
    tasks=(TaskSpec("ranking", options={"loss": "rating_weighted"}), TaskSpec("rating", weight=0.1)),
    priors=(PriorSpec("co_occurrence"), PriorSpec("linear"), PriorSpec("content", {"decay": 0.7})),
    config=VideoConfig,
)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The scenario ``video``."""
    return [VIDEO]


@hookimpl
def polyscene_components() -> list[Component]:
    """The watch_gap encoder, the excitation adapter and the rating_weighted loss."""
    return components_of(__name__, "features", "adapter", "loss")


@hookimpl
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario."""
    return [f"pkg://{__name__}.conf"]
