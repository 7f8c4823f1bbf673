"""Ties between people as tables: users and items are the same people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from polyscene import DataAccess, DataNotAvailable, Tables, read_csv, read_parquet

if TYPE_CHECKING:
    from polyscene_social import SocialConfig

LASTFM, FILMTRUST = "lastfm_2k", "filmtrust"


def load(config: SocialConfig, data: DataAccess) -> Tables:
    """Tables with one interaction per tie and direction; people are items and users in the same order.

    Raises:
        DataNotAvailable: no data set is at hand and none can be fetched.
        DataError: its files are damaged or lack columns.
    """
    if config.dataset != "auto":
        return _tables(config.dataset, data, ())
    try:
        return _tables(LASTFM, data, ())
    except DataNotAvailable as error:
        note = f"Last.fm is not available ({error.what}), so these are other people: FilmTrust's, by trust"
        return _tables(FILMTRUST, data, (note,))


def _tables(name: str, data: DataAccess, notes: tuple[str, ...]) -> Tables:
    folder = data.path(name)
    stated = _filmtrust(folder) if name == FILMTRUST else _lastfm(folder)
    stated = stated.astype("str")
    themselves = (stated["user_id"] == stated["friend_id"]).to_numpy(dtype=bool)
    there = stated.loc[~themselves]
    back = pd.DataFrame({"user_id": there["friend_id"], "friend_id": there["user_id"]})
    ties = pd.concat([there, back]).drop_duplicates().sort_values(["user_id", "friend_id"], ignore_index=True)
    people = pd.Series(sorted(ties["user_id"].unique()), dtype="str")
    return Tables(
        items=pd.DataFrame({"item_id": people, "title": "person " + people}),
        users=pd.DataFrame({"user_id": people}),
        interactions=ties.rename(columns={"friend_id": "item_id"}),
        dropped={
            "ties of a person with themselves": int(themselves.sum()),
            "ties stated more than once": int(there.duplicated().sum()),
            "directions added, because a tie holds for both": len(ties) - len(there.drop_duplicates()),
        },
        sources=(*notes, data.origin(name)),
    )


def _lastfm(folder: Path) -> pd.DataFrame:
    if (folder / "social.parquet").exists():
        return read_parquet(folder / "social.parquet", ["user_id", "friend_id"])
    frame = read_csv(
        folder / "user_friends.dat", ["userID", "friendID"], delimiter="\t", quote=None, ids=("userID", "friendID")
    )
    return frame.set_axis(["user_id", "friend_id"], axis="columns")


def _filmtrust(folder: Path) -> pd.DataFrame:
    """Trust as ties. Ids get a prefix, since numbers of FilmTrust and of Last.fm mean different people."""
    if (folder / "social.parquet").exists():
        frame = read_parquet(folder / "social.parquet", ["user_id", "friend_id"])
    else:
        # Three header lines: names, kinds, roles. The latter two are no ids and are taken off by number.
        frame = read_csv(
            folder / "trust.tab", ["truster", "trustee"], delimiter="\t", ids=("truster", "trustee", "score")
        )
        frame = frame.iloc[2:].set_axis(["user_id", "friend_id"], axis="columns")
    return "filmtrust-" + frame.astype("str")
