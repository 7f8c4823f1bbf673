"""Last.fm listening as tables: who plays which artist how often, and how they tag them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from polyscene import DataAccess, Tables, read_csv, read_parquet
from polyscene_music.facts import artist_graph

if TYPE_CHECKING:
    from polyscene_music import MusicConfig


def load(config: MusicConfig, data: DataAccess) -> Tables:
    """Tables with play counts as ``weight``, the artist's name as ``text``, and ``extra["tag_assignments"]``.

    Tags are no item column: a tag tells that its giver listened, so the tag profile is built from the split's
    train rows (see ``features.py``). Rows are in the order of their ids, whichever form the files have.

    Raises:
        DataNotAvailable: the data set is neither at hand nor can it be fetched.
        DataError: its files are damaged or lack columns, or enrichment is asked for and there are no facts.
    """
    folder = data.path(config.dataset)
    prepared = (folder / "interactions.parquet").exists()
    listening, artists, assignments = _prepared(folder) if prepared else _published(folder)
    artists["text"] = artists["title"]
    known = assignments["tag"].notna().to_numpy(dtype=bool)
    dropped = {"tag assignments without a known tag": int((~known).sum())}
    facts, linked = artist_graph(folder, asked=bool(config.enrich))
    return Tables(
        items=_sorted(artists, ["item_id"]),
        interactions=_sorted(listening, ["user_id", "item_id"]),
        value="weight",
        facts=facts,
        extra={"tag_assignments": _sorted(assignments.loc[known], ["user_id", "item_id", "tag"])}
        | ({} if linked is None else {"entities": linked}),
        dropped=dropped,
        sources=(data.origin(config.dataset),),
    )


def _prepared(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return (
        read_parquet(folder / "interactions.parquet", ["user_id", "item_id", "weight"]),
        read_parquet(folder / "items.parquet", ["item_id", "title"]),
        read_parquet(folder / "tag_assignments.parquet", ["user_id", "item_id", "tag"]),
    )


def _published(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The publisher's ``.dat`` files. Names of artists are UTF-8, tags are Latin-1; neither uses quotes."""
    names = {"userID": "user_id", "artistID": "item_id", "name": "title", "tagID": "tag_id", "tagValue": "tag"}
    ids = ("userID", "artistID", "tagID")

    def read(file: str, columns: list[str], encoding: str = "utf-8") -> pd.DataFrame:
        text = {"name": "string", "url": "string", "pictureURL": "string", "tagValue": "string"}
        types = {name: kind for name, kind in text.items() if name in columns}
        frame = read_csv(
            folder / file, columns, delimiter="\t", quote=None, types=types, ids=(*ids, "id"), encoding=encoding
        )
        return frame.rename(columns=names)

    listening = read("user_artists.dat", ["userID", "artistID", "weight"])
    artists = read("artists.dat", ["id", "name"]).rename(columns={"id": "item_id"})
    tags = read("tags.dat", ["tagID", "tagValue"], encoding="latin-1")
    assigned = read("user_taggedartists.dat", ["userID", "artistID", "tagID"])
    tag_of = dict(zip(tags["tag_id"].astype("str"), tags["tag"], strict=True))
    tag = [tag_of.get(tag_id) for tag_id in assigned.pop("tag_id").astype("str")]
    return listening, artists, assigned.assign(tag=tag)


def _sorted(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Rows in the order of their keys as text, ids as text."""
    return frame.astype(dict.fromkeys(keys, "str")).sort_values(keys, ignore_index=True)
