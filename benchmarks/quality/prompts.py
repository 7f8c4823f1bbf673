"""Prompts of likes and dislikes from MovieLens-100K: a rating, with the ten that its viewer gave before.

As in the film case of TALLRec [RecSys 2023]: the newest 10,000 ratings, in time 8:1:1; a prompt is a rating whose
viewer had given ten others before it, and is liked when it is above 3. Each prompt is a user of its own in the
tables, so that its past is exactly these ten ratings and nothing of one prompt reaches another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from polyscene import Category, Number, Scenario, ScenarioConfig, Tables, TaskSpec, Text, hookimpl, read_atomic
from polyscene.data.build import build_events
from polyscene.data.phases import Phase
from polyscene.training.loading import Loaded

POLYSCENE_API = "1.0"
NAME = "prompts"
RECENT, BEFORE, LIKED_ABOVE = 10_000, 10, 3.0
_GENRES = "class"


@dataclass
class PromptsConfig(ScenarioConfig):
    """Options of the prompts: those that every scenario has."""

    dataset: str = "movielens_100k"


def load(config: PromptsConfig, data: Any) -> Tables:
    """Viewers are prompts: ten rows of the past and the row that is asked for, in the order of time."""
    folder = data.path(config.dataset)
    ratings = read_atomic(folder / "ml-100k.inter").astype({"user_id": str, "item_id": str})
    ratings = ratings.sort_values("timestamp", kind="stable").reset_index(drop=True)
    films = read_atomic(folder / "ml-100k.item").astype({"item_id": str, "movie_title": str})
    viewers = read_atomic(folder / "ml-100k.user").astype({"user_id": str})
    target_P = _targets(ratings)
    row_PH = _with_past(ratings, target_P)
    prompt_PH = np.repeat(np.arange(len(target_P)), BEFORE + 1)
    share = (target_P - (len(ratings) - RECENT)) / RECENT
    phase_P = np.where(share < 0.8, "train", np.where(share < 0.9, "valid", "test"))
    told = ratings.iloc[row_PH.ravel()]
    asked = viewers.set_index("user_id").loc[ratings.user_id[target_P]]
    # The past of a test prompt is learned from by nobody: it is in training by name only.
    phase_PH = np.repeat(phase_P, BEFORE + 1).astype(object)
    phase_PH[np.arange(len(phase_PH)) % (BEFORE + 1) < BEFORE] = "train"
    ids = np.array([f"p{number:05}" for number in range(len(target_P))])
    return Tables(
        users=pd.DataFrame(
            {
                "user_id": ids,
                "age": asked.age.astype("int64").to_numpy(),
                "gender": asked.gender.map({"M": "man", "F": "woman"}).to_numpy(),
                "occupation": asked.occupation.astype(str).to_numpy(),
                "viewer": asked.index.to_numpy(),
            }
        ),
        items=pd.DataFrame(
            {
                "item_id": films.item_id,
                "title": films.movie_title,
                "genres": films[_GENRES].astype(str).str.split().str.join(", "),
            }
        ),
        interactions=pd.DataFrame(
            {
                "user_id": ids[prompt_PH],
                "item_id": told.item_id.to_numpy(),
                "rating": told.rating.to_numpy(dtype=np.float32),
                "timestamp": told.timestamp.to_numpy(dtype=np.int64),
                "split": phase_PH,
            }
        ),
        value="rating",
        sources=(data.origin(config.dataset),),
    )


def with_shots(loaded: Loaded, shots: int, draw: int) -> Loaded:
    """The prompts with so many labelled ones; those of one draw are nested. All other rows are context."""
    one = loaded.scenarios[NAME]
    asked_R = np.arange(len(one.tables.interactions)) % (BEFORE + 1) == BEFORE
    pool = np.flatnonzero(asked_R & (one.split.phase_R == Phase.TRAIN))
    labelled_R = np.zeros(len(asked_R), dtype=bool)
    labelled_R[np.random.default_rng(draw).permutation(pool)[:shots]] = True
    events = build_events(one.tables, one.split, one.scenario, labelled_R)
    return replace(loaded, scenarios={NAME: replace(one, events=events)})


def popularity(loaded: Loaded) -> np.ndarray:
    """Ratings ``[N]`` of each film in prompts before the test, whatever they were."""
    one = loaded.scenarios[NAME]
    tested_U = np.unique(one.tables.user_R[one.split.phase_R == Phase.TEST])
    earlier = ~np.isin(one.tables.user_R, tested_U)
    return np.bincount(one.tables.item_R[earlier], minlength=len(one.tables.items)).astype(np.float32)


def _targets(ratings: pd.DataFrame) -> np.ndarray:
    """Rows of the newest ratings whose viewers had given enough before."""
    given = ratings.groupby("user_id", sort=False).cumcount().to_numpy()
    return np.flatnonzero((np.arange(len(ratings)) >= len(ratings) - RECENT) & (given >= BEFORE))


def _with_past(ratings: pd.DataFrame, target_P: np.ndarray) -> np.ndarray:
    """``[P, 11]`` rows: the ten ratings before each target by the same viewer, and the target."""
    viewer = pd.factorize(ratings.user_id)[0]
    order = np.argsort(viewer, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return order[place[target_P][:, None] + np.arange(-BEFORE, 1)]


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The prompts as a scenario."""
    return [
        Scenario(
            NAME,
            load,
            item_columns=(Text("title"), Text("genres")),
            user_columns=(Category("gender"), Category("occupation"), Number("age")),
            event_columns=(Number("rating"),),
            tasks=(TaskSpec("click", options={"threshold": LIKED_ABOVE}),),
            config=PromptsConfig,
        )
    ]
