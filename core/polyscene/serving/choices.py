"""All that chooses in front of one loaded version."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from polyscene.experiments.plan import NONE, Plan, Side
from polyscene.experiments.policies import Greedy, PolicyConfig, build_policy
from polyscene.feedback import Event, Reaction
from polyscene.registry.components import Registry
from polyscene.serving.choosing import Chooser
from polyscene.serving.engine import Engine
from polyscene.serving.learning import Learner

_Key = tuple[str, Side]


class Choices:
    """The choosers of every scenario and side, and what they learn.

    Each learns from its own lists alone, so that the arms of an experiment do not learn from each other, and from
    lists of this version alone: vectors of another one mean something else. So a version that is new begins with
    the model's own order, and what was learned is not lost when an earlier one comes back.

    Args:
        plan: who chooses.
        registry: knows the policies.
        engine: the version.
        item_cursor: how far the engine has taken in the items that arrived.

    Raises:
        ConfigError: there is no such policy, or an option is wrong.
    """

    def __init__(self, plan: Plan, registry: Registry, engine: Engine, *, item_cursor: int = 0) -> None:
        self.engine, self.item_cursor = engine, item_cursor
        self._best = Chooser(Greedy(PolicyConfig()), NONE)
        self._choosers: dict[_Key, Chooser] = {}
        self._learners: dict[_Key, Learner] = {}
        for name in engine.shelves:
            for side in plan.sides(name):
                spec = plan.policy(name, side)
                policy = build_policy(registry, spec.name, spec.options, engine.width)
                self._choosers[name, side] = Chooser(policy, side)
                if policy.reads_vectors:
                    self._learners[name, side] = Learner(policy, spec, partial(self._known, name))

    @property
    def learn(self) -> bool:
        """Whether anything is learned."""
        return bool(self._learners)

    def of(self, scenario: str | None, side: Side | None) -> Chooser:
        """Who chooses for a side of a scenario; who shows the best where there is none."""
        if scenario is None or side is None:
            return self._best
        return self._choosers.get((scenario, side), self._best)

    def read(self, events: Sequence[Event]) -> None:
        """Take in what happened, in the order of the log."""
        if not self._learners:
            return
        for event in events:
            if isinstance(event, Reaction):
                for (scenario, _), learner in self._learners.items():
                    if scenario == event.scenario:
                        learner.reacted(event)
            elif event.model == self.engine.version:
                learner = self._learners.get((event.scenario, Side(event.experiment, event.arm)))
                if learner is not None and event.policy == learner.policy.name:
                    learner.shown(event)
        for learner in self._learners.values():
            learner.learn()

    def _known(self, scenario: str, items: Sequence[str]) -> tuple[list[int], Tensor]:
        position = self.engine.shelves[scenario].position
        known = [place for place, item in enumerate(items) if item in position]
        if not known:
            return [], torch.zeros(0, self.engine.width)
        return known, self.engine.item_vectors(scenario, [items[place] for place in known]).float().cpu()
