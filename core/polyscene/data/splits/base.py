"""What all splits share: cold items, cold users, checks and a description."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from polyscene.data.hashing import chosen
from polyscene.data.ids import blocks, counts
from polyscene.data.phases import Phase
from polyscene.data.tables import Tables
from polyscene.errors import ConfigError, DataError, Problems


@dataclass(frozen=True)
class Split:
    """Which interaction belongs to which phase. R interactions, N items, U users.

    Args:
        phase_R: int8, the :class:`Phase` of each interaction, in the order of ``tables.interactions``.
        cold_N: bool, items taken out of everything but ``Phase.COLD``.
        cold_U: bool, users taken out of training and validation.
        description: one line for reports.
        ordered: whether the order of a user's rows means anything under this split.
        fingerprint: the fingerprint of the tables that were split.
    """

    phase_R: np.ndarray
    cold_N: np.ndarray
    cold_U: np.ndarray
    description: str
    ordered: bool
    fingerprint: str

    def count(self, phase: Phase) -> int:
        """Number of interactions in a phase."""
        return int(np.count_nonzero(self.phase_R == phase))


@dataclass
class SplitConfig:
    """Options of every split.

    Args:
        seed: the split's own seed; the seed of a run never changes a split.
        cold_items: share of the items with interactions that are taken out whole (the cold-item protocol).
        cold_users: share of the users with interactions that are kept out of training and validation.
    """

    seed: int = 0
    cold_items: float = 0.0
    cold_users: float = 0.0


@dataclass
class FractionConfig(SplitConfig):
    """Options of splits by share.

    Args:
        validation: share of the rows for validation.
        test: share of the rows for the test.
    """

    validation: float = 0.1
    test: float = 0.1


class Splitter(ABC):
    """A way to split. Subclasses fill in validation and test rows; this class takes cold ids out around them.

    Args:
        config: the options; wrong values are raised as one ``ConfigError``.
    """

    name: ClassVar[str]
    ordered: bool = True

    def __init__(self, config: Any) -> None:
        self.config = config
        problems = Problems(f"split '{self.name}'")
        self.check_config(problems)
        problems.raise_if_any(ConfigError)

    def split(self, tables: Tables) -> Split:
        """The phase of every interaction.

        Raises:
            DataError: if the tables lack what the split needs, or no row is left for training or the test.
        """
        phase_R = np.full(len(tables.interactions), Phase.TRAIN, dtype=np.int8)
        cold_N = self.cold_items(tables)
        for block in blocks(len(phase_R)):
            phase_R[block][cold_N[tables.item_R[block]]] = Phase.COLD
        self.assign(tables, phase_R)
        cold_U = self.cold_users(tables)
        for block in blocks(len(phase_R)):
            before_test = phase_R[block] != Phase.COLD
            before_test &= phase_R[block] != Phase.TEST
            phase_R[block][before_test & cold_U[tables.user_R[block]]] = Phase.KNOWN
        split = Split(phase_R, cold_N, cold_U, self.describe(), self.ordered, tables.fingerprint())
        for phase in (Phase.TRAIN, Phase.TEST):
            if not split.count(phase):
                raise DataError(
                    f"no interaction of {len(phase_R)} is left for {phase.name.lower()}",
                    where=f"split '{self.name}'",
                    fix="choose another split or other shares: users may have too few interactions",
                )
        return split

    @abstractmethod
    def assign(self, tables: Tables, phase_R: np.ndarray) -> None:
        """Turns TRAIN rows of ``phase_R`` into VALIDATION and TEST rows, in place. COLD rows stay."""

    def cold_items(self, tables: Tables) -> np.ndarray:
        """bool per item: taken out whole."""
        seen = counts(tables.item_R, len(tables.items)) > 0
        return chosen(tables.item_ids, seen, self.config.cold_items, self.config.seed, "cold items")

    def cold_users(self, tables: Tables) -> np.ndarray:
        """bool per user: kept out of training."""
        seen = counts(tables.user_R, len(tables.users)) > 0
        return chosen(tables.user_ids, seen, self.config.cold_users, self.config.seed, "cold users")

    def check_config(self, problems: Problems) -> None:
        """Adds what is wrong with the options."""
        shares = [
            name for name in ("cold_items", "cold_users", "validation", "test") if hasattr(self.config, name)
        ]
        for name in shares:
            value = getattr(self.config, name)
            if not 0 <= value < 1:
                problems.add(f"{name}={value}", fix="a share must lie in [0, 1)")
        if "test" in shares and self.config.validation + self.config.test >= 1:
            problems.add("validation + test leave nothing for training", fix="their sum must stay below 1")

    def describe(self) -> str:
        """One line for reports."""
        options = ", ".join(
            f"{name}={value}" for name, value in vars(self.config).items() if value not in ("", None)
        )
        return f"{self.name} ({options})"

    def times(self, tables: Tables) -> np.ndarray:
        """Times of the interactions.

        Raises:
            DataError: if the source has none.
        """
        if tables.time_R is None:
            raise DataError(
                "the interactions have no timestamp, so they have no order",
                where=f"split '{self.name}'",
                fix="use split.name=random_per_user, or give the source's times in a column 'timestamp'",
            )
        return tables.time_R
