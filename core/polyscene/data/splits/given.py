"""A given split: phases come from a column of the interactions or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from polyscene.config.validate import bounded
from polyscene.data.ids import blocks, series, where
from polyscene.data.phases import Phase
from polyscene.data.sources import read_frame
from polyscene.data.splits.base import SplitConfig, Splitter
from polyscene.data.splits.edges import edge_shares
from polyscene.data.tables import Tables
from polyscene.errors import DataError, Problems

_NAMES = {
    **dict.fromkeys(("train", "training", "0"), Phase.TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "1"), Phase.VALIDATION),
    **dict.fromkeys(("test", "2"), Phase.TEST),
}


@dataclass
class GivenConfig(SplitConfig):
    """Options of ``given``.

    Args:
        path: a Parquet or CSV file with the split, also relative to ``data.root``; empty if it is a column of the
            interactions.
        split_column: the column with ``train``, ``valid`` and ``test`` (or 0, 1, 2).
        user_column, item_column: the columns of the file that name the pair.
        row_column: the file's column with the row number in the interactions, instead of the pair.
        cold_column: the file's bool column that marks rows of cold items; empty if there is none.
        undirected: whether a pair in the file stands for both directions.
        validation: share of the training rows that become validation rows, where the split has none; both
            directions of a pair together.
        ordered: whether tests come after training in time (false for random splits).
    """

    path: str = ""
    split_column: str = "split"
    user_column: str = "user_id"
    item_column: str = "item_id"
    row_column: str = ""
    cold_column: str = ""
    undirected: bool = False
    validation: float = bounded(0.0, at_least=0, at_most=0.5)
    ordered: bool = False


class Given(Splitter):
    """Takes a published split as it is. Every interaction must be covered, and by one phase only."""

    name = "given"
    config: GivenConfig

    def __init__(self, config: GivenConfig) -> None:
        super().__init__(config)
        self.ordered = config.ordered

    def assign(self, tables: Tables, phase_R: np.ndarray) -> None:
        given_R = self._phases(tables)
        if self.config.validation:
            if (given_R == Phase.VALIDATION).any():
                self._fail("it has validation rows, and validation asks for others", "leave validation out")
            for block, share_B in edge_shares(tables, self.config.seed):
                wanted_B = (given_R[block] == Phase.TRAIN) & (share_B < self.config.validation)
                given_R[block] = np.where(wanted_B, np.int8(Phase.VALIDATION), given_R[block])
        warm_R = phase_R == Phase.TRAIN
        phase_R[warm_R] = given_R[warm_R]

    def cold_items(self, tables: Tables) -> np.ndarray:
        if not self.config.cold_column:
            return super().cold_items(tables)
        frame = self._read()
        ids = (
            frame.loc[frame[self.config.cold_column].astype(bool), self.config.item_column].astype("str").unique()
        )
        return tables.item_ids.isin(ids)

    def check_config(self, problems: Problems) -> None:
        super().check_config(problems)
        if self.config.cold_column and not self.config.path:
            problems.add("cold_column without path", fix="name the file that holds the column")
        if self.config.cold_column and self.config.cold_items:
            problems.add("cold_items and cold_column are both given", fix="choose one of them")
        if self.config.path and not Path(self.config.path).is_file():
            problems.add(
                f"path={self.config.path} is not a file",
                fix="give the path of a Parquet or CSV file, also relative to data.root",
            )

    def _phases(self, tables: Tables) -> np.ndarray:
        config = self.config
        if not config.path:
            if config.split_column not in tables.interactions:
                self._fail(f"interactions have no column '{config.split_column}'", "name another split_column")
            return self._numbered(series(tables.interactions, config.split_column))
        frame = self._read()
        phase_F = self._numbered(series(frame, config.split_column))
        if config.row_column:
            return self._by_row(frame[config.row_column].to_numpy(), phase_F, len(tables.interactions))
        return self._by_pair(tables, frame, phase_F)

    def _read(self) -> pd.DataFrame:
        config = self.config
        keys = (config.row_column,) if config.row_column else (config.user_column, config.item_column)
        return read_frame(Path(config.path), [*keys, config.split_column, *filter(None, [config.cold_column])])

    def _numbered(self, column: pd.Series) -> np.ndarray:
        codes, names = pd.factorize(column.astype("str"))
        unknown = sorted(str(name) for name in names if str(name) not in _NAMES)
        if unknown or (codes < 0).any():
            self._fail(
                f"column '{column.name}' holds {', '.join(unknown[:3]) or 'missing values'}",
                f"values must be among {', '.join(_NAMES)}",
            )
        return np.array([_NAMES[str(name)] for name in names], dtype=np.int8)[codes]

    def _by_row(self, row_F: np.ndarray, phase_F: np.ndarray, rows: int) -> np.ndarray:
        if not np.array_equal(np.sort(row_F), np.arange(rows)):
            self._fail(
                f"the file numbers {len(row_F)} rows, the interactions have {rows}", "use the file's own data"
            )
        phase_R = np.empty(rows, dtype=np.int8)
        phase_R[row_F] = phase_F
        return phase_R

    def _by_pair(self, tables: Tables, frame: pd.DataFrame, phase_F: np.ndarray) -> np.ndarray:
        users, items = tables.user_ids, tables.item_ids
        left = pd.Index(frame[self.config.user_column].astype("str"))
        right = pd.Index(frame[self.config.item_column].astype("str"))
        keys, phases = [_pair(users.get_indexer(left), items.get_indexer(right), len(items))], [phase_F]
        if self.config.undirected:
            keys.append(_pair(users.get_indexer(right), items.get_indexer(left), len(items)))
            phases.append(phase_F)
        key_F, phase_F = np.concatenate(keys), np.concatenate(phases)
        order_F = np.argsort(key_F, kind="stable")
        key_F, phase_F = key_F[order_F], phase_F[order_F]
        same = (key_F[1:] == key_F[:-1]) & (key_F[1:] >= 0) & (phase_F[1:] != phase_F[:-1])
        if same.any():
            self._fail(f"{int(same.sum())} pairs of the file are in two phases", "keep one row per pair")
        phase_R = np.empty(len(tables.interactions), dtype=np.int8)
        found_R = np.empty(len(phase_R), dtype=bool)
        for block in blocks(len(phase_R)):
            key_B = _pair(tables.user_R[block], tables.item_R[block], len(items))
            at_B = np.minimum(np.searchsorted(key_F, key_B), len(key_F) - 1)
            found_R[block] = key_F[at_B] == key_B
            phase_R[block] = phase_F[at_B]
        total, rows = where(~found_R[block] for block in blocks(len(found_R)))
        if total:
            examples = tables.interactions.iloc[rows][["user_id", "item_id"]].astype("str").agg(" ".join, axis=1)
            self._fail(
                f"{total} interactions are not in the file, such as {', '.join(examples)}", "use its own data"
            )
        return phase_R

    def _fail(self, what: str, fix: str) -> None:
        raise DataError(what, where=f"split 'given' {self.config.path}".strip(), fix=fix)


def _pair(user: np.ndarray, item: np.ndarray, n_items: int) -> np.ndarray:
    """One int64 per pair, -1 where either id is unknown to the tables."""
    key = user.astype(np.int64) * n_items + item
    key[(user < 0) | (item < 0)] = -1
    return key
