"""The first ratings of each viewer in MovieLens-100K: what a model knows before the others are fed to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from polyscene import Scenario, ScenarioConfig, Tables, hookimpl
from polyscene.config.validate import bounded
from polyscene_video import VIDEO

POLYSCENE_API = "1.0"
NAME = "earlier"


@dataclass
class EarlierConfig(ScenarioConfig):
    """Options of the earlier ratings: those that every scenario has."""

    dataset: str = "movielens_100k"
    upto: float = bounded(1.0, at_least=0, at_most=1)
    """The share of each viewer's ratings that there are, the first ones."""


def load(config: EarlierConfig, data: Any) -> Tables:
    """All films and viewers, and of the ratings the first of each viewer."""
    tables = VIDEO.load(config, data)
    rows = tables.interactions[place_R(tables) < config.upto]
    return replace(tables, interactions=pd.DataFrame(rows).reset_index(drop=True))


def place_R(tables: Tables) -> np.ndarray:
    """Where each rating stands among those of its viewer, from 0 (the first) to below 1, in the order of time."""
    rows = tables.interactions
    order = np.argsort(rows["timestamp"].to_numpy(), kind="stable")
    ordered = pd.Series(tables.user_R[order]).groupby(tables.user_R[order])
    place_R = np.empty(len(rows))
    place_R[order] = ordered.cumcount().to_numpy() / ordered.transform("size").to_numpy()
    return place_R


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [replace(VIDEO, name=NAME, load=load, config=EarlierConfig, title="Films, from the first ratings")]
