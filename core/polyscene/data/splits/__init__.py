"""Splits: which interactions are learned from and which are asked about."""

from polyscene.data.splits.base import FractionConfig, Split, SplitConfig, Splitter
from polyscene.data.splits.edges import Edges
from polyscene.data.splits.given import Given, GivenConfig
from polyscene.data.splits.global_time import GlobalTime, GlobalTimeConfig
from polyscene.data.splits.leave_one_out import LeaveOneOut
from polyscene.data.splits.random_per_user import RandomPerUser
from polyscene.data.splits.storage import load_split, save_split
from polyscene.registry.components import Component

COMPONENTS = [
    Component("split", LeaveOneOut.name, LeaveOneOut, SplitConfig),
    Component("split", GlobalTime.name, GlobalTime, GlobalTimeConfig),
    Component("split", RandomPerUser.name, RandomPerUser, FractionConfig),
    Component("split", Edges.name, Edges, FractionConfig),
    Component("split", Given.name, Given, GivenConfig),
]

__all__ = [
    "COMPONENTS",
    "Edges",
    "FractionConfig",
    "Given",
    "GivenConfig",
    "GlobalTime",
    "GlobalTimeConfig",
    "LeaveOneOut",
    "RandomPerUser",
    "Split",
    "SplitConfig",
    "Splitter",
    "load_split",
    "save_split",
]
