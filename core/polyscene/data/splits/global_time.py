"""Global time: everything before a moment trains, everything after it tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.data.ids import blocks
from polyscene.data.phases import Phase
from polyscene.data.splits.base import FractionConfig, Splitter
from polyscene.data.tables import Tables
from polyscene.errors import DataError, Problems


@dataclass
class GlobalTimeConfig(FractionConfig):
    """Options of ``global_time``.

    Args:
        validation_from: first moment of the validation, in the column's unit; empty to use the shares.
        test_from: first moment of the test.
        column: the interactions column that holds the time (unix seconds, or for example a week number).
    """

    validation_from: float | None = None
    test_from: float | None = None
    column: str = "timestamp"


class GlobalTime(Splitter):
    """The same two moments for all users, so that nothing learned lies in the future of a test.

    With shares, the moments are quantiles of the warm rows' times; rows of the very same time are never divided,
    so the shares hold only as closely as the times allow.
    """

    name = "global_time"
    config: GlobalTimeConfig

    def assign(self, tables: Tables, phase_R: np.ndarray) -> None:
        time_R = self._column(tables)
        validation_from, test_from = self._moments(time_R, phase_R)
        for block in blocks(len(phase_R)):
            warm, time = phase_R[block] == Phase.TRAIN, time_R[block]
            phase_R[block][warm & (time >= test_from)] = Phase.TEST
            phase_R[block][warm & (time >= validation_from) & (time < test_from)] = Phase.VALIDATION

    def check_config(self, problems: Problems) -> None:
        super().check_config(problems)
        first, second = self.config.validation_from, self.config.test_from
        if (first is None) != (second is None):
            problems.add("only one of validation_from and test_from is given", fix="give both, or neither")
        elif first is not None and second is not None and first > second:
            problems.add(f"validation_from={first} lies after test_from={second}", fix="validation comes first")

    def _column(self, tables: Tables) -> np.ndarray:
        name = self.config.column
        if name == "timestamp":
            return self.times(tables)
        if name not in tables.interactions or tables.interactions[name].dtype.kind not in "iuf":
            raise DataError(
                f"interactions have no numeric column '{name}'",
                where=f"split '{self.name}'",
                fix=f"name one of: {', '.join(tables.interactions.columns)}",
            )
        return tables.interactions[name].to_numpy()

    def _moments(self, time_R: np.ndarray, phase_R: np.ndarray) -> tuple[float, float]:
        config = self.config
        if config.validation_from is not None and config.test_from is not None:
            return config.validation_from, config.test_from
        warm = time_R[phase_R == Phase.TRAIN]
        ranks = [int(len(warm) * (1 - config.test - config.validation)), int(len(warm) * (1 - config.test))]
        ranks = [min(rank, len(warm) - 1) for rank in ranks]
        warm.partition(sorted(set(ranks)))
        return float(warm[ranks[0]]), float(warm[ranks[1]])
