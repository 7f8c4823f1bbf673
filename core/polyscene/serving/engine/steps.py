"""Steps of histories that are in no row of the data: given in a request, told by feedback, or meant by a text."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyscene.serving.engine.requests import LONGEST_HISTORY


@dataclass
class Steps:
    """Steps of one user, oldest first.

    Args:
        items: rows of the catalogue.
        values: in the units of the data.
        times: unix seconds.
    """

    items: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, item: int, value: float, time: int) -> None:
        """One more; the oldest are forgotten beyond what a history may have."""
        for own, one in ((self.items, item), (self.values, value), (self.times, time)):
            own.append(one)  # type: ignore[arg-type]  # each its own kind
            del own[:-LONGEST_HISTORY]


NOTHING = Steps()
"""What is known of somebody new; never added to."""
