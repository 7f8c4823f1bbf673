"""Tables: a scenario's tidy data, checked and normalized when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from polyscene.data.fingerprint import fingerprint
from polyscene.data.ids import series
from polyscene.data.validation import checked_tables


@dataclass(frozen=True)
class Tables:
    """Items, users, interactions, and optionally links between users and facts about items.

    All problems are found when the object is made and raised at once. Afterwards ids are text, the index of every
    frame is its row number, ``interactions.user_id`` and ``item_id`` are categoricals whose categories are the ids
    of ``users`` and ``items`` in table order (so a code is a row number), ``value`` is float32 and ``timestamp``
    int64. Interactions cost 20 bytes per row when they have a value and a time.

    Args:
        items: ``item_id`` (unique) and the columns that describe items.
        interactions: ``user_id``, ``item_id``, the column named by ``value``, ``timestamp`` (unix seconds) or no
            such column where the source has no times, and any further columns. Rows keep their order.
        users: ``user_id`` (unique) and the columns that describe users; made from the interactions (sorted by
            id) when ``None``.
        links: ``user_id``, ``friend_id``, one row per directed link.
        facts: ``head``, ``relation``, ``tail``.
        extra: further frames by name, for the scenario's own encoders; kept as they are.
        value: the interactions column that is a row's value (rating, count); empty if every row counts 1.
        dropped: what the loader dropped or merged, counted.
        sources: one line each: where the data came from, its terms.

    Raises:
        DataError: with every problem found.

    Example:
        >>> tables = Tables(
        ...     items=pd.DataFrame({"item_id": ["x", "y"], "text": ["Alien (1979)", "Heat (1995)"]}),
        ...     interactions=pd.DataFrame({"user_id": ["b", "a", "b"], "item_id": ["y", "x", "x"]}),
        ... )
        >>> tables.users.user_id.tolist(), tables.user_R.tolist(), tables.item_R.tolist()
        (['a', 'b'], [1, 0, 1], [1, 0, 0])
    """

    items: pd.DataFrame
    interactions: pd.DataFrame
    users: pd.DataFrame = None  # type: ignore[assignment]  # None is replaced on construction
    links: pd.DataFrame | None = None
    facts: pd.DataFrame | None = None
    extra: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    value: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked = checked_tables(
            self.items, self.interactions, self.users, self.links, self.facts, value=self.value
        )
        for name, frame in checked.items():
            object.__setattr__(self, name, frame)

    @property
    def user_ids(self) -> pd.Index:
        """Ids of the users in table order."""
        return pd.Index(self.users["user_id"])

    @property
    def item_ids(self) -> pd.Index:
        """Ids of the items in table order."""
        return pd.Index(self.items["item_id"])

    @property
    def user_R(self) -> np.ndarray:
        """Row number in ``users`` of each interaction (no copy)."""
        return _codes(series(self.interactions, "user_id"))

    @property
    def item_R(self) -> np.ndarray:
        """Row number in ``items`` of each interaction (no copy)."""
        return _codes(series(self.interactions, "item_id"))

    @property
    def value_R(self) -> np.ndarray | None:
        """float32 value of each interaction, ``None`` if every row counts 1."""
        return self.interactions[self.value].to_numpy() if self.value else None

    @property
    def time_R(self) -> np.ndarray | None:
        """int64 unix seconds of each interaction, ``None`` if the source has no times."""
        return self.interactions["timestamp"].to_numpy() if "timestamp" in self.interactions else None

    def fingerprint(self) -> str:
        """sha256 over the content of all tables in their row order, as 64 hexadecimal digits."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        frames = {"items": self.items, "users": self.users, "interactions": self.interactions}
        optional = {"links": self.links, "facts": self.facts}
        frames |= {name: frame for name, frame in optional.items() if frame is not None}
        frames |= {f"extra.{name}": frame for name, frame in self.extra.items()}
        return fingerprint(frames, salt=self.value)


def _codes(column: pd.Series) -> np.ndarray:
    array = column.array
    assert isinstance(array, pd.Categorical)
    return array.codes
