"""What a suite file may say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from polyscene.errors import ConfigError, Problems, did_you_mean

_LABEL = re.compile(r"\w[\w.+-]*")


@dataclass
class ProtocolConfig:
    """One way to run and test every method."""

    command: Literal["train", "adapt", "transfer"] = "train"
    """``train``: the scenarios of a group together. ``adapt``: each of them held out in turn, and a model of the
    others adapted to it. ``transfer``: models of each and of all, tested on each."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of each run, such as ``scenario.video.split.cold_items=0.1``."""
    methods: list[str] = field(default_factory=list)
    """The methods that it is for; all if empty."""
    adapt: list[str] = field(default_factory=list)
    """With ``adapt``: arguments of ``polyscene adapt``, such as ``shots=[1,16,64]`` and ``draws=3``."""


@dataclass
class SuiteConfig:
    """Every group of scenarios with every protocol, method and seed.

    An override of a scenario's option reaches the runs that have the scenario.
    """

    title: str
    """What the suite is about, in a line."""
    scenarios: dict[str, list[str]]
    """Groups of scenarios by name; those of a group are trained together."""
    methods: dict[str, list[str]]
    """What is compared, by name: the overrides that make the method, such as ``[adapter=gate]``."""
    protocols: dict[str, ProtocolConfig] = field(default_factory=lambda: {"plain": ProtocolConfig()})
    """How each method is run and tested, by name."""
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    """Seeds of every run."""
    overrides: list[str] = field(default_factory=list)
    """Overrides of every run."""
    controls: list[str] = field(default_factory=list)
    """What stands beside the methods: models (``single``) with every seed of the first method, counts once."""
    metrics: list[str] = field(default_factory=list)
    """The metrics that are shown; the first of each scenario if empty."""
    against: str = ""
    """The method that the others are tested against; the first if empty."""

    def __post_init__(self) -> None:
        problems = Problems("")
        for key in ("scenarios", "methods", "protocols", "seeds"):
            if not getattr(self, key):
                problems.add(f"'{key}' is empty", fix="give at least one")
        for key in ("scenarios", "methods", "protocols"):
            for label in getattr(self, key):
                if not _LABEL.fullmatch(label):
                    problems.add(f"'{key}' has '{label}'", fix="names become folders: letters, digits, _ . + -")
        if len(set(self.seeds)) < len(self.seeds):
            problems.add(f"'seeds' names a seed twice: {self.seeds}", fix="give different ones")
        if self.against and self.against not in self.methods:
            problems.add(f"'against' names '{self.against}'", fix=did_you_mean(self.against, self.methods))
        for label, protocol in self.protocols.items():
            for method in protocol.methods:
                if method not in self.methods:
                    problems.add(f"protocol '{label}' names '{method}'", fix=did_you_mean(method, self.methods))
        problems.raise_if_any(ConfigError)
