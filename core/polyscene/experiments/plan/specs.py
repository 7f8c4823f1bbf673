"""What a plan says: policies, and experiments with their arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from polyscene.config.validate import bounded


@dataclass
class PolicySpec:
    """A policy, and what it learns from, if it learns."""

    name: str = "greedy"
    """A component of the kind ``policy``."""
    options: dict[str, Any] = field(default_factory=dict)
    """Its options."""
    reward: str = "click"
    """The kind of reaction that makes a shown item worth 1; others are worth 0."""
    within: str = "10m"
    """How long after a list reactions to it count; the policy learns from the list then."""
    places: int = bounded(10, at_least=1)
    """How many places of a list, from the first on, it learns from: last ones are hardly looked at."""


@dataclass
class ArmSpec:
    """One side of an experiment. What it does not name is as for everybody else."""

    weight: float = 1.0
    """How many users it gets, in any unit; not to be changed while the experiment runs."""
    policy: PolicySpec | None = None
    """The policy that chooses; left out, the one of the scenario."""
    version: str = ""
    """The version of the model that ranks; left out, the promoted one, whichever that is."""


@dataclass
class ExperimentSpec:
    """An experiment; what its report needs is written down before it starts."""

    arms: dict[str, ArmSpec]
    """By name, the control first, which others are compared with."""
    scenarios: list[str] = field(default_factory=list)
    """Where it runs; everywhere if left out. One experiment at most runs in a scenario."""
    share: float = 1.0
    """The share of users that take part."""
    salt: str = ""
    """Deals users anew under the same name."""
    reward: str = "click"
    """The kind of reaction that decides."""
    guardrails: dict[str, float] = field(default_factory=dict)
    """Kinds of reactions whose rate may not get worse by more than a number meanwhile."""
    window: str = "1d"
    """How long each user is observed."""
    level: float = bounded(0.05, at_least=1e-9, at_most=0.499)
    """How often any interval of the report may miss, at any time."""
    planned: float = bounded(10_000.0, at_least=1)
    """Users at which intervals are narrowest."""

    def runs_in(self, scenario: str) -> bool:
        """Whether users of a scenario take part."""
        return not self.scenarios or scenario in self.scenarios
