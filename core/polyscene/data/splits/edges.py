"""Edges: pairs of a graph, both directions together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polyscene.data.hashing import as_share, id_hashes, mixed
from polyscene.data.ids import blocks
from polyscene.data.phases import Phase
from polyscene.data.splits.base import FractionConfig, Splitter
from polyscene.data.tables import Tables
from polyscene.errors import Problems


def edge_shares(tables: Tables, seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """A uniform number in [0, 1) for each row, in blocks: one for both directions of an edge, by its ids."""
    head_hash_U = id_hashes(tables.user_ids, seed, "end of an edge")
    tail_hash_N = id_hashes(tables.item_ids, seed, "end of an edge")
    for block in blocks(len(tables.interactions)):
        head_B, tail_B = head_hash_U[tables.user_R[block]], tail_hash_N[tables.item_R[block]]
        low_B, high_B = np.minimum(head_B, tail_B), np.maximum(head_B, tail_B)
        yield block, as_share(mixed(mixed(low_B) ^ high_B))


class Edges(Splitter):
    """For friends and facts, where users and items are the same kind of thing.

    The rows (a, b) and (b, a), and all relations between a and b, fall into the same phase: otherwise one would
    give the other away. The phase is a function of the two ids and the seed, so adding edges moves no other edge;
    the shares hold in expectation.
    """

    name = "edges"
    ordered = False
    config: FractionConfig

    def assign(self, tables: Tables, phase_R: np.ndarray) -> None:
        for block, share_B in edge_shares(tables, self.config.seed):
            phase_R[block][share_B < self.config.test + self.config.validation] = Phase.VALIDATION
            phase_R[block][share_B < self.config.test] = Phase.TEST

    def check_config(self, problems: Problems) -> None:
        super().check_config(problems)
        for name in ("cold_items", "cold_users"):
            if getattr(self.config, name):
                problems.add(
                    f"{name} is not possible here",
                    fix="a node is user and item at once, so its own rows would tell its edges; set it to 0",
                )
