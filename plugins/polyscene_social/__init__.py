"""Social: people whom a person may want to connect with."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyscene import (
    Column,
    Component,
    DataAccess,
    Enrichment,
    Id,
    Scenario,
    ScenarioConfig,
    Split,
    Tables,
    TaskSpec,
    hookimpl,
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


def _load(config: SocialConfig, data: DataAccess) -> Tables:
    # pandas is imported on first use, so that listing plugins stays fast.
    return importlib.import_module("polyscene_social.data").load(config, data)


SCENARIO = Scenario(
    name="social",
    title="People to connect with, from who is connected with whom",
    load=_load,
    item_columns=(Id(space=SPACE), Column("item_id", encoder="friends", options={"space": SPACE})),
    user_columns=(Id(space=SPACE), Column("user_id", encoder="friends", options={"space": SPACE})),
    tasks=(TaskSpec("link", options={"loss": "activity_debiased"}),),
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
    modules: list[Any] = [
        importlib.import_module(f"{__name__}.{part}") for part in ("features", "adapter", "loss")
    ]
    return [component for module in modules for component in module.COMPONENTS]


@hookimpl
def polyscene_enrich(
    scenario: str, tables: Tables, loaded: Mapping[str, Tables], splits: Mapping[str, Split]
) -> Enrichment | None:
    """What people listen to, as text, where the music scenario is part of the run (its train rows only)."""
    if scenario != SCENARIO.name or "music" not in loaded or "music" not in splits:
        return None
    return importlib.import_module(f"{__name__}.listening").listening(tables, loaded["music"], splits["music"])


@hookimpl
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario and its data set."""
    return [f"pkg://{__name__}.conf"]
