"""The rows of MovieLens-1M's age domains as arrays, for a worker."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from polyscene.data.phases import Phase
from polyscene.training.loading import LoadedScenario

LIKED = 3.0
USER_FIELDS = ("user_id", "gender", "occupation", "zip_code", "age_group")
ITEM_FIELDS = ("item_id", "first_genre")
PARTS = {"train": Phase.TRAIN, "validation": Phase.VALIDATION, "test": Phase.TEST}


def columns(loaded: Mapping[str, LoadedScenario]) -> dict[str, np.ndarray]:
    """Rows of all domains as arrays ``PART/FIELD``, with ``size/FIELD`` values each."""
    frames = {
        part: pd.concat([_rows(one, k, phase) for k, one in enumerate(loaded.values())])
        for part, phase in PARTS.items()
    }
    found: dict[str, np.ndarray] = {}
    for name in [*USER_FIELDS, *ITEM_FIELDS]:
        known = pd.Index(pd.concat([frame[name] for frame in frames.values()]).unique())
        found[f"size/{name}"] = np.array(len(known))
        for part, frame in frames.items():
            found[f"{part}/{name}"] = known.get_indexer(pd.Index(frame[name])).astype(np.int64)
    for part, frame in frames.items():
        found[f"{part}/domain"] = frame["domain"].to_numpy(dtype=np.int64)
        found[f"{part}/label"] = frame["label"].to_numpy(dtype=np.float32)
    return found


def _rows(one: LoadedScenario, domain: int, phase: Phase) -> pd.DataFrame:
    user, row = one.events.rows([phase])
    item = one.events.item_R.numpy()[row]
    users = one.tables.users
    assert users is not None
    parts = {name: users[name].to_numpy()[user] for name in USER_FIELDS}
    parts |= {name: one.tables.items[name].to_numpy()[item] for name in ITEM_FIELDS}
    return pd.DataFrame(parts).assign(domain=domain, label=one.events.value_R.numpy()[row] > LIKED)
