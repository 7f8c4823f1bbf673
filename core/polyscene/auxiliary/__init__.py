"""Auxiliary losses: what a scenario's vectors should satisfy beside its tasks."""

from __future__ import annotations

from polyscene.auxiliary.alignment import Alignment, AlignmentConfig
from polyscene.auxiliary.auxiliary import Auxiliary, AuxiliaryConfig, AuxiliaryContext
from polyscene.auxiliary.histories import HistoryContrast, HistoryContrastConfig
from polyscene.auxiliary.stand_in import StandInConfig, StandInLoss
from polyscene.registry.components import Component

COMPONENTS = [
    Component("auxiliary", "alignment", Alignment, AlignmentConfig),
    Component("auxiliary", "history_contrast", HistoryContrast, HistoryContrastConfig),
    Component("auxiliary", "stand_in", StandInLoss, StandInConfig),
]

__all__ = [
    "COMPONENTS",
    "Alignment",
    "Auxiliary",
    "AuxiliaryConfig",
    "AuxiliaryContext",
    "HistoryContrast",
    "StandInLoss",
]
