"""The plan of a deployment: which policy chooses in which scenario, and the experiments that run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from polyscene.experiments.plan.specs import ArmSpec, ExperimentSpec, PolicySpec
from polyscene.experiments.split import Experiment


@dataclass(frozen=True)
class Side:
    """Where a user stands: in an arm of an experiment, or in none."""

    experiment: str | None = None
    arm: str | None = None


NONE = Side()


@dataclass
class Plan:
    """Who chooses what is shown."""

    policies: dict[str, PolicySpec] = field(default_factory=dict)
    """The policy of each scenario; the best are shown (``greedy``) in those that are not named."""
    experiments: dict[str, ExperimentSpec] = field(default_factory=dict)
    """Experiments by name."""

    @cached_property
    def splits(self) -> dict[str, Experiment]:
        """Who is dealt to which arm, by experiment."""
        return {
            name: Experiment(name, {arm: one.weight for arm, one in spec.arms.items()}, spec.share, spec.salt)
            for name, spec in self.experiments.items()
        }

    def side(self, scenario: str, user: str | None) -> Side:
        """Where a user stands in a scenario; who has no name takes no part, as the arm could not stay the same."""
        if user is None:
            return NONE
        for name, spec in self.experiments.items():
            if spec.runs_in(scenario):
                arm = self.splits[name].arm(user)
                return NONE if arm is None else Side(name, arm)
        return NONE

    def is_plain(self, scenario: str) -> bool:
        """Whether a scenario has neither a policy of its own nor an experiment: everybody is shown the best."""
        return scenario not in self.policies and not any(
            one.runs_in(scenario) for one in self.experiments.values()
        )

    def sides(self, scenario: str) -> list[Side]:
        """Where users of a scenario can stand."""
        return [NONE] + [
            Side(name, arm)
            for name, spec in self.experiments.items()
            if spec.runs_in(scenario)
            for arm in spec.arms
        ]

    def policy(self, scenario: str, side: Side) -> PolicySpec:
        """The policy that chooses for a side."""
        arm = self._arm(side)
        return (arm and arm.policy) or self.policies.get(scenario) or PolicySpec()

    def version(self, side: Side) -> str:
        """The version that ranks for a side; empty for the promoted one."""
        arm = self._arm(side)
        return arm.version if arm else ""

    def versions(self) -> list[str]:
        """The versions that arms name."""
        arms = [arm for spec in self.experiments.values() for arm in spec.arms.values()]
        return list(dict.fromkeys(arm.version for arm in arms if arm.version))

    def without(self, versions: Collection[str]) -> Plan:
        """The plan without experiments that need one of some versions."""
        left = {
            name: spec
            for name, spec in self.experiments.items()
            if not any(arm.version in versions for arm in spec.arms.values())
        }
        return replace(self, experiments=left)

    def _arm(self, side: Side) -> ArmSpec | None:
        if side.experiment is None or side.arm is None:
            return None
        return self.experiments[side.experiment].arms[side.arm]
