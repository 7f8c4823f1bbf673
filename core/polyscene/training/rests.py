"""Rests: a scenario that no longer improves leaves the batches, and comes back when it pays for the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

# A resting scenario that has lost so much of its score pays for the others.
_LOSS = 0.02


@dataclass
class Rests:
    """Which scenarios rest, by their scores on validation rows.

    Rows of a scenario that rests go to those that still learn, so that small scenarios are not learned by heart
    while large ones need more steps. What belongs to it alone stays as it is; shared parameters move on, so it is
    scored like all others and woken when it has lost two hundredths of the score that it went to rest with. A
    scenario without validation rows never rests.

    Args:
        after: evaluations without improvement after which a scenario rests; 0 lets none rest.
        best: best score so far, by scenario.
        waited: evaluations since then, by scenario.
        resting: score at the beginning of the rest, by resting scenario.
    """

    after: int
    best: dict[str, float] = field(default_factory=dict)
    waited: dict[str, int] = field(default_factory=dict)
    resting: dict[str, float] = field(default_factory=dict)

    def judge(self, scores: Mapping[str, float]) -> bool:
        """Hear an evaluation's scores; says whether another set of scenarios rests from now on."""
        before = set(self.resting)
        for name, score in scores.items() if self.after else ():
            if name in self.resting:
                if score < (1 - _LOSS) * self.resting[name]:
                    del self.resting[name]
                    self.waited[name] = 0
            elif score > self.best.get(name, float("-inf")):
                self.best[name], self.waited[name] = score, 0
            else:
                self.waited[name] = self.waited.get(name, 0) + 1
                if self.waited[name] >= self.after:
                    self.resting[name] = score
        return before != set(self.resting)

    def awake(self, names: Collection[str]) -> list[str]:
        """Those of ``names`` that learn."""
        return [name for name in names if name not in self.resting]
