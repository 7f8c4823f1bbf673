"""A person's favorite artists as text, for people who are listeners as well."""

from __future__ import annotations

import pandas as pd

from polyscene import Enrichment, Phase, Split, Tables, Text

COLUMN = "listening"
_ARTISTS = 10


def listening(people: Tables, music: Tables, split: Split) -> Enrichment | None:
    """The names of each person's most played artists, from training rows of music only.

    Returns:
        The text column, or ``None`` where no person is a listener (another data set's people).
    """
    rows = music.interactions[split.phase_R == Phase.TRAIN]
    rows = rows[rows["user_id"].isin(people.items["item_id"])]
    if rows.empty:
        return None
    plays = rows[music.value] if music.value else pd.Series(1.0, index=rows.index)
    title_of = music.items.set_index("item_id")["title" if "title" in music.items else "text"]
    listens = pd.DataFrame(
        {
            "item_id": rows["user_id"].astype("str"),
            "artist": rows["item_id"].astype("str").map(title_of),
            "plays": plays,
        }
    ).sort_values(["item_id", "plays", "artist"], ascending=[True, False, True], kind="stable")
    names = listens.groupby("item_id", sort=True).head(_ARTISTS).groupby("item_id")["artist"].agg(", ".join)
    frame = names.rename(COLUMN).reset_index()
    note = f"favorite artists of {len(frame)} of {len(people.items)} people, from training rows of music"
    return Enrichment(items=frame, item_columns=(Text(COLUMN),), note=note)
