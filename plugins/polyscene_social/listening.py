"""People who are listeners as well: their favorite artists as text, and their friends among listeners."""

from __future__ import annotations

import numpy as np
import pandas as pd

from polyscene import Enrichment, Phase, Split, Tables, Text

COLUMN, ARTISTS = "listening", "artists"
_ARTISTS = 10


def listening(people: Tables, music: Tables, split: Split) -> Enrichment | None:
    """The names of each person's most played artists, and the numbers of all, from training rows of music only.

    Returns:
        The text column, and one that no encoder reads; or ``None`` where no person is a listener (another data
        set's people).
    """
    is_person_U = music.user_ids.isin(list(people.item_ids))
    row_R = np.flatnonzero((split.phase_R == Phase.TRAIN) & is_person_U[music.user_R])
    if not len(row_R):
        return None
    user_R, item_R = music.user_R[row_R], music.item_R[row_R]
    plays_R = np.ones(len(row_R)) if music.value_R is None else music.value_R[row_R]
    # Ties keep the order of the artists, so that the text is the same in every run.
    order_R = np.lexsort((item_R, -plays_R, user_R))
    user_R, item_R = user_R[order_R], item_R[order_R]
    rank_R = np.arange(len(user_R)) - np.searchsorted(user_R, user_R)
    title_N = music.items["title" if "title" in music.items else "text"].to_numpy()
    person_R = music.user_ids.to_numpy(dtype=object)[user_R]
    artists: dict[str, list[str]] = {}
    for person, item in zip(person_R[rank_R < _ARTISTS], item_R[rank_R < _ARTISTS], strict=True):
        artists.setdefault(person, []).append(str(title_N[item]))
    every: dict[str, list[str]] = {}
    for person, item in zip(person_R, item_R, strict=True):
        every.setdefault(person, []).append(str(item))
    frame = pd.DataFrame(
        {
            "item_id": list(artists),
            COLUMN: [", ".join(names) for names in artists.values()],
            ARTISTS: ["|".join(every[person]) for person in artists],
        }
    )
    note = f"favorite artists of {len(frame)} of {len(people.items)} people, from training rows of music"
    return Enrichment(items=frame, item_columns=(Text(COLUMN),), note=note)


def friendship(music: Tables, people: Tables, split: Split) -> Enrichment | None:
    """Links among listeners who are friends, from training rows of social only.

    Returns:
        The links; or ``None`` where no listener is a person of the social scenario.
    """
    row_R = np.flatnonzero(split.phase_R == Phase.TRAIN)
    links = pd.DataFrame(
        {
            "user_id": people.user_ids.to_numpy(dtype=object)[people.user_R[row_R]],
            "friend_id": people.item_ids.to_numpy(dtype=object)[people.item_R[row_R]],
        }
    )
    known = music.user_ids.intersection(people.user_ids)
    if not len(known):
        return None
    note = f"friends of {len(known)} of {len(music.user_ids)} listeners, from training rows of social"
    return Enrichment(links=links, note=note)
