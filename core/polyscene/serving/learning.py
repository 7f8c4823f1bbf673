"""What a policy learns from the feedback log, event by event."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from polyscene.experiments.durations import seconds
from polyscene.experiments.plan import PolicySpec
from polyscene.experiments.policies import Policy, Rewards
from polyscene.feedback import Impression, Reaction

_LOG = logging.getLogger(__name__)
_EVERY_S, _ENOUGH = 1.0, 256
_MOST = 100_000


@dataclass(slots=True)
class _Shown:
    """A list whose time is not over, as far as it is learned from."""

    event_id: str
    time: float
    items: tuple[str, ...]
    scores: tuple[float, ...]
    context_c: np.ndarray
    rewarded: set[str] = field(default_factory=set)


class Learner:
    """Teaches a policy what its own lists brought.

    A list is learned from once its time is over by the clock of the lists that follow it, so what is known after
    an event is the same in every process, and after a restart. A clock that jumps costs no more than the lists
    that wait at that moment.

    Args:
        policy: what learns.
        spec: from what.
        known: which of some items the model knows, as positions, and their vectors ``[M, d]`` on the CPU.
    """

    def __init__(
        self, policy: Policy, spec: PolicySpec, known: Callable[[Sequence[str]], tuple[list[int], Tensor]]
    ) -> None:
        self.policy, self.spec, self._known = policy, spec, known
        self._within = seconds(spec.within, "within")
        self._waiting: deque[_Shown] = deque()
        self._by_id: dict[str, _Shown] = {}
        self._over: list[_Shown] = []
        self._learned_at = 0.0

    def shown(self, event: Impression) -> None:
        """A list of the policy was shown."""
        while self._waiting and abs(event.time - self._waiting[0].time) >= self._within:
            self._end()
        if event.context is None:
            return
        if len(self._waiting) >= _MOST:
            self._end()
        places, context_c = self.spec.places, np.array(event.context)
        one = _Shown(event.event_id, event.time, event.items[:places], event.scores[:places], context_c)
        self._waiting.append(one)
        self._by_id[event.event_id] = one

    def reacted(self, event: Reaction) -> None:
        """Somebody did something with an item of a list, perhaps of this policy."""
        one = self._by_id.get(event.impression or "")
        if one is not None and event.kind == self.spec.reward and event.time < one.time + self._within:
            one.rewarded.add(event.item)

    def learn(self) -> None:
        """Learn from the lists whose time is over, if they are many or the last time is a while ago."""
        now = time.monotonic()
        if not self._over or (len(self._over) < _ENOUGH and now < self._learned_at + _EVERY_S):
            return
        over, self._over, self._learned_at = self._over, [], now
        try:
            if (rewards := self._rewards(over)) is not None:
                self.policy.learn(rewards)
        except Exception:
            _LOG.exception("policy '%s' cannot learn from %d lists", self.policy.name, len(over))

    def _end(self) -> None:
        one = self._waiting.popleft()
        del self._by_id[one.event_id]
        self._over.append(one)

    def _rewards(self, lists: Sequence[_Shown]) -> Rewards | None:
        """What lists brought; None where their items are not known any more."""
        items = list(dict.fromkeys(item for one in lists for item in one.items))
        places, vector_Md = self._known(items)
        row = {items[place]: number for number, place in enumerate(places)}
        rows = [
            (number, row[item], score, float(item in one.rewarded))
            for number, one in enumerate(lists)
            for item, score in zip(one.items, one.scores, strict=True)
            if item in row
        ]
        if not rows:
            return None
        list_B, item_B, score_B, reward_B = (torch.tensor(column) for column in zip(*rows, strict=True))
        context_Lc = torch.from_numpy(np.stack([one.context_c for one in lists]))
        return Rewards(context_Lc[list_B], vector_Md[item_B], score_B, reward_B)
