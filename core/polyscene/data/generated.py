"""Generated data with a known structure: for tests, scale runs and tutorials, and labeled as generated everywhere.

Every item belongs to a cluster, every user likes one cluster and sometimes takes from any, and item texts are made
of their cluster's words. A model that reads texts or histories can find the clusters; popularity alone cannot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from polyscene.data.files import atomic_path
from polyscene.data.ids import BLOCK, blocks, categorical
from polyscene.data.tables import Tables
from polyscene.errors import ConfigError, Problems

SOURCE = "GENERATED data with a known cluster structure (polyscene.generate): not real"
_FIRST_SECOND = 1_600_000_000
_SECONDS_BETWEEN = 60
_WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jade", "knoll", "larch"),
    *(
        "maple",
        "north",
        "olive",
        "prairie",
        "quartz",
        "ridge",
        "slate",
        "tundra",
        "umber",
        "valley",
        "willow",
        "yarrow",
    ),
)


@dataclass(frozen=True)
class Structure:
    """The truth behind generated data. U users, N items, C clusters.

    Args:
        cluster_N: cluster of each item.
        cluster_U: cluster that each user likes.
        weight_N: probability of each item within its cluster (a power law: some items are popular).
        affinity: probability that an interaction comes from the liked cluster; the rest comes from any.
    """

    cluster_N: np.ndarray
    cluster_U: np.ndarray
    weight_N: np.ndarray
    affinity: float


def generate(
    users: int = 200,
    items: int = 100,
    interactions: int = 4000,
    seed: int = 0,
    *,
    clusters: int = 8,
    affinity: float = 0.8,
) -> Tables:
    """Tables with ratings, times, texts, user links and facts, all following the clusters.

    ``items`` carry ``text``, ``cluster``, ``group`` (a category) and ``price``; ``users`` carry ``cluster`` and
    ``age``; ``interactions`` carry ``rating`` (high in the liked cluster) and ``timestamp`` (rising with the row).
    ``links`` join users of one cluster, ``facts`` tie items to the theme of theirs.

    Args:
        users, items, interactions: sizes.
        seed: the same seed gives the same tables, whatever the block size.
        clusters: number of clusters.
        affinity: share of the interactions that fall into the user's cluster beyond chance.

    Raises:
        ConfigError: if a size makes no sense.

    Example:
        >>> tables = generate(users=50, items=20, interactions=300, seed=1)
        >>> len(tables.interactions), tables.value, tables.sources[0].split()[0]
        (300, 'rating', 'GENERATED')
    """
    structure = _structure(users, items, interactions, seed, clusters=clusters, affinity=affinity)
    columns = {
        "user_id": np.empty(interactions, dtype=np.int32),
        "item_id": np.empty(interactions, dtype=np.int32),
        "rating": np.empty(interactions, dtype=np.float32),
        "timestamp": np.empty(interactions, dtype=np.int64),
    }
    for block, part in _interactions(structure, interactions, seed):
        for name, values in part.items():
            columns[name][block] = values
    user_ids, item_ids = _ids("u", users), _ids("i", items)
    frame = {
        **columns,
        "user_id": categorical(columns["user_id"], user_ids),
        "item_id": categorical(columns["item_id"], item_ids),
    }
    return Tables(
        items=_item_table(structure, item_ids, seed),
        users=_user_table(structure, user_ids, seed),
        interactions=pd.DataFrame(frame, copy=False),
        links=_links(structure, user_ids, seed),
        facts=_facts(structure, item_ids),
        value="rating",
        sources=(SOURCE,),
    )


def write_generated(
    folder: Path,
    users: int,
    items: int,
    interactions: int,
    seed: int = 0,
    *,
    clusters: int = 8,
    affinity: float = 0.8,
) -> None:
    """Writes ``items.parquet``, ``users.parquet`` and ``interactions.parquet`` with the rows of :func:`generate`.

    Interactions are made and written block by block, so their number is bounded by the disk only.
    """
    structure = _structure(users, items, interactions, seed, clusters=clusters, affinity=affinity)
    user_ids, item_ids = _ids("u", users), _ids("i", items)
    for name, table in (
        ("items", _item_table(structure, item_ids, seed)),
        ("users", _user_table(structure, user_ids, seed)),
    ):
        with atomic_path(folder / f"{name}.parquet") as path:
            table.to_parquet(path, index=False)
    user_names, item_names = pa.array(user_ids, pa.string()), pa.array(item_ids, pa.string())
    index = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [("user_id", index), ("item_id", index), ("rating", pa.float32()), ("timestamp", pa.int64())],
        metadata={"source": SOURCE},
    )
    with atomic_path(folder / "interactions.parquet") as path, pq.ParquetWriter(path, schema) as writer:
        for _, part in _interactions(structure, interactions, seed):
            arrays = [
                pa.DictionaryArray.from_arrays(part["user_id"], user_names),
                pa.DictionaryArray.from_arrays(part["item_id"], item_names),
                pa.array(part["rating"]),
                pa.array(part["timestamp"]),
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _structure(
    users: int, items: int, interactions: int, seed: int, *, clusters: int, affinity: float
) -> Structure:
    problems = Problems("generate")
    sizes = {
        "users": (users, 2),
        "items": (items, clusters),
        "interactions": (interactions, 1),
        "clusters": (clusters, 1),
    }
    for name, (value, least) in sizes.items():
        if value < least:
            problems.add(f"{name}={value}", fix=f"must be at least {least}")
    if not 0 <= affinity <= 1:
        problems.add(f"affinity={affinity}", fix="must lie in [0, 1]")
    problems.raise_if_any(ConfigError)
    rng = np.random.default_rng([seed, 0])
    cluster_N = rng.permutation(np.arange(items) % clusters)
    weight_N = 1.0 / (1.0 + rng.permutation(items).astype(np.float64))
    weight_N /= np.bincount(cluster_N, weights=weight_N)[cluster_N]
    return Structure(cluster_N, rng.integers(clusters, size=users), weight_N, affinity)


def _interactions(structure: Structure, rows: int, seed: int) -> Iterator[tuple[slice, dict[str, np.ndarray]]]:
    order_N = np.argsort(structure.cluster_N, kind="stable")
    n_clusters = int(structure.cluster_N.max()) + 1
    # Items sorted by cluster, with the running probability c + P(item or earlier | cluster c): drawing from any
    # cluster is one lookup of c + uniform.
    running_N = np.cumsum(structure.weight_N[order_N])
    for number, block in enumerate(blocks(rows, BLOCK)):
        rng = np.random.default_rng([seed, 1, number])
        size = block.stop - block.start
        user = rng.integers(len(structure.cluster_U), size=size, dtype=np.int32)
        liked = structure.cluster_U[user]
        follows = rng.random(size, dtype=np.float32) < structure.affinity
        cluster = np.where(follows, liked, rng.integers(n_clusters, size=size))
        at = np.searchsorted(running_N, cluster + rng.random(size), side="right")
        item = order_N[np.minimum(at, len(order_N) - 1)].astype(np.int32)
        pleased = structure.cluster_N[item] == liked
        rating = np.clip(np.rint(2.5 + 1.5 * pleased + rng.normal(0, 0.7, size)), 1, 5).astype(np.float32)
        time = _FIRST_SECOND + _SECONDS_BETWEEN * np.arange(block.start, block.stop, dtype=np.int64)
        yield block, {"user_id": user, "item_id": item, "rating": rating, "timestamp": time}


def _item_table(structure: Structure, ids: pd.Index, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 2])
    n_clusters = int(structure.cluster_N.max()) + 1
    own = np.resize(np.array(_WORDS), (n_clusters, 3))  # three words each; they repeat after eight clusters
    first = own[structure.cluster_N, rng.integers(3, size=len(ids))]
    second = own[structure.cluster_N, rng.integers(3, size=len(ids))]
    text = [f"generated {a} {b} {name}" for a, b, name in zip(first, second, ids, strict=True)]
    return pd.DataFrame(
        {
            "item_id": ids,
            "title": [f"generated {name}" for name in ids],
            "text": text,
            "cluster": structure.cluster_N,
            "group": [f"group {cluster // 2}" for cluster in structure.cluster_N],
            "price": np.round(np.exp(rng.normal(2, 0.5, len(ids))), 2),
        }
    )


def _user_table(structure: Structure, ids: pd.Index, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 3])
    return pd.DataFrame(
        {"user_id": ids, "cluster": structure.cluster_U, "age": rng.integers(18, 80, size=len(ids))}
    )


def _links(structure: Structure, ids: pd.Index, seed: int) -> pd.DataFrame:
    """Each user is linked, both ways, with the next one or two of the same cluster."""
    rng = np.random.default_rng([seed, 4])
    order = np.lexsort([rng.random(len(ids)), structure.cluster_U])
    pairs = []
    for step in (1, 2):
        left, right = order[:-step], order[step:]
        same = structure.cluster_U[left] == structure.cluster_U[right]
        pairs += [(left[same], right[same]), (right[same], left[same])]
    heads, tails = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    return pd.DataFrame({"user_id": ids[heads], "friend_id": ids[tails]})


def _facts(structure: Structure, ids: pd.Index) -> pd.DataFrame:
    themes = [f"theme {cluster}" for cluster in structure.cluster_N]
    return pd.DataFrame({"head": ids, "relation": "has_theme", "tail": themes})


def _ids(prefix: str, count: int) -> pd.Index:
    width = len(str(count - 1))
    return pd.Index([f"{prefix}{number:0{width}}" for number in range(count)], dtype="str")
