"""Personal frequency: what a user takes often, and took lately, comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import half_life_weights, log_above, per_item
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.registry.components import Component


@dataclass
class PersonalFrequencyConfig(PriorConfig):
    """Options of the personal frequency prior.

    Args:
        half_life_days: a row counts half for each such span before the user's last row; 0 counts all alike.
        unit: count from which on the score grows with its logarithm.
    """

    half_life_days: float = bounded(56.0, at_least=0)
    unit: float = bounded(0.05, at_least=1e-6)


class PersonalFrequency(Prior):
    """``log(1 + c_ui / unit)`` of the user's own rows c of an item, those of long ago counting less.

    It reads the history alone, so there is nothing to leave out. Of use where histories are not masked.

    Raises:
        DataError: a half-life is asked for, and the rows have no times.
    """

    config: PersonalFrequencyConfig

    def __init__(self, config: PersonalFrequencyConfig, data: PriorData) -> None:
        super().__init__(config, data)
        if config.half_life_days > 0 and not bool(data.events.time_R.any()):
            raise DataError(
                "prior 'personal_frequency' has a half-life, and the rows have no times",
                where=data.where,
                fix="write half_life_days: 0 to count all rows alike",
            )
        self.n_items = data.events.n_items

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        self.n_items = events.n_items

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        weight_QL = half_life_weights(past, self.config.half_life_days)
        return log_above(per_item(past, weight_QL, self.n_items), self.config.unit)


COMPONENT = Component("prior", "personal_frequency", PersonalFrequency, PersonalFrequencyConfig)
