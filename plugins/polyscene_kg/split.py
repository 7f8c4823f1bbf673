"""A split of facts in which no test fact can be read off a training fact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from polyscene import Component, DataError, Phase, Split, Tables


@dataclass
class TripleSplitConfig:
    """Options of the triple split.

    Args:
        seed: the split's own seed; the seed of a run never changes it.
        validation: share of the facts for validation.
        test: share of the facts for the test.
        published: whether facts that come with phases of their own keep those, whatever the shares.
    """

    seed: int = 0
    validation: float = 0.05
    test: float = 0.05
    published: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.validation < 1 and 0 < self.test < 1 and self.validation + self.test < 1):
            raise DataError(
                f"validation={self.validation} and test={self.test} leave no facts for training or the test",
                where="split 'triples'",
                fix="use shares such as 0.05, with a sum below 1",
            )


class TripleSplit:
    """Facts at random, held out pair by pair.

    All facts between two entities, whatever their relation and direction, fall into one phase: Freebase states
    most facts twice (a film's genre, a genre's films), and such an inverse in training would answer the test. A
    pair is held out only if both its entities and all its relations still occur in training facts, so everything
    that is asked for has been seen. Where that leaves too few pairs, fewer facts than asked for are held out.

    Args:
        config: see :class:`TripleSplitConfig`.
    """

    def __init__(self, config: TripleSplitConfig) -> None:
        self.config = config

    def split(self, tables: Tables) -> Split:
        """The phase of every interaction, as a function of the facts and the split's seed.

        Raises:
            DataError: the interactions are not those of a graph, or nothing can be held out.
        """
        same = tables.users["user_id"].tolist() == tables.items["item_id"].tolist()
        if not same or "relation" not in tables.interactions:
            raise DataError(
                "the scenario is not a knowledge graph", where="split 'triples'", fix="choose another split"
            )
        given = self.config.published and "split" in tables.interactions
        phase_R = _published(tables) if given else self._phases(tables)
        if not (phase_R == Phase.TEST).any():
            raise DataError(
                f"none of {len(phase_R)} rows can be held out: every one is the only one of an entity or relation",
                where="split 'triples'",
                fix="use split.name=edges, which does not keep entities in training, or bring more facts",
            )
        return Split(
            phase_R=phase_R,
            cold_N=np.zeros(len(tables.items), dtype=bool),
            cold_U=np.zeros(len(tables.users), dtype=bool),
            description="triples, published split"
            if given
            else f"triples, entity pairs kept together (validation={self.config.validation}, "
            f"test={self.config.test}, seed={self.config.seed})",
            ordered=False,
            fingerprint=tables.fingerprint(),
        )

    def _phases(self, tables: Tables) -> np.ndarray:
        low_R, high_R = np.minimum(tables.user_R, tables.item_R), np.maximum(tables.user_R, tables.item_R)
        pair_R, pairs = pd.factorize(low_R.astype(np.int64) * len(tables.items) + high_R, sort=True)
        ends_P = np.stack([pairs // len(tables.items), pairs % len(tables.items)], axis=1)
        relation_R, names = pd.factorize(tables.interactions["relation"], sort=True)
        order_R = np.argsort(pair_R, kind="stable")
        size_P = np.bincount(pair_R)
        relation_R, stop_P = relation_R[order_R].tolist(), np.cumsum(size_P).tolist()

        # Lists, as single numbers are read and written.
        degree = np.bincount(ends_P.ravel(), minlength=len(tables.items)).tolist()
        left = np.bincount(relation_R, minlength=len(names)).tolist()
        phase_P = np.full(len(pairs), Phase.TRAIN, dtype=np.int8)
        wanted = {
            Phase.TEST: round(self.config.test * len(pair_R)),
            Phase.VALIDATION: round(self.config.validation * len(pair_R)),
        }
        phase = Phase.TEST
        for pair in np.random.default_rng(self.config.seed).permutation(len(pairs)):
            if wanted[phase] <= 0:
                if phase == Phase.VALIDATION or wanted[Phase.VALIDATION] <= 0:
                    break
                phase = Phase.VALIDATION
            a, b = ends_P[pair].tolist()
            used = Counter(relation_R[stop_P[pair] - size_P[pair] : stop_P[pair]])
            # A fact about itself takes two from the degree of its one entity.
            scarce = any(left[relation] <= count for relation, count in used.items())
            if scarce or min(degree[a], degree[b]) < (3 if a == b else 2):
                continue
            degree[a] -= 1
            degree[b] -= 1
            for relation, count in used.items():
                left[relation] -= count
            wanted[phase] -= int(size_P[pair])
            phase_P[pair] = phase
        return phase_P[pair_R]


def _published(tables: Tables) -> np.ndarray:
    phases = {"train": Phase.TRAIN, "valid": Phase.VALIDATION, "test": Phase.TEST}
    return np.array([phases[name] for name in tables.interactions["split"]], dtype=np.int8)


COMPONENTS = [Component("split", "triples", TripleSplit, TripleSplitConfig)]
