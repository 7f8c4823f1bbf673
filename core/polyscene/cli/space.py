"""The space of a search: which keys vary on the command line, and over what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep

from polyscene.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Space:
    """What a search varies.

    Args:
        fixed: overrides that all trials share.
        distributions: by key, what is searched over.
    """

    fixed: list[str]
    distributions: dict[str, BaseDistribution]

    def job(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial."""
        return [*self.fixed, *(f"{key}={value}" for key, value in values.items())]

    def described(self) -> dict[str, Any]:
        """The distributions as plain values."""
        from optuna.distributions import distribution_to_json

        return {key: json.loads(distribution_to_json(one)) for key, one in self.distributions.items()}


def read_space(overrides: Sequence[Override]) -> Space:
    """The space that a command line spans: ``a,b`` and ``range(1,5)`` as in any multirun, ``interval(0.1,1)``,
    ``int(interval(1,8))`` and ``tag(log,interval(0.0001,0.1))``.

    Raises:
        ConfigError: nothing varies, the seed does, or an interval cannot be searched.
    """
    fixed: list[str] = []
    distributions: dict[str, BaseDistribution] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            distributions[key] = _distribution(override)
        else:
            fixed.append(f"{key}={override.get_value_element_as_str()}")
    if not distributions:
        raise ConfigError(
            "there is nothing to search over",
            where="hydra/sweeper=optuna",
            fix="give a key several values, as in trainer.lr='tag(log,interval(0.001,0.01))' adapter=gate,star",
        )
    if "seed" in distributions:
        raise ConfigError(
            "a seed is not something to search over: the luckiest one would win",
            where="seed",
            fix="give one seed, and repeat the best trial over several",
        )
    return Space(fixed, distributions)


def _distribution(override: Override) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    try:
        if isinstance(value, IntervalSweep):
            start, end, log = value.start, value.end, "log" in value.tags
            assert start is not None
            assert end is not None
            kind = IntDistribution if isinstance(start, int) and isinstance(end, int) else FloatDistribution
            return kind(start, end, log=log)  # type: ignore[arg-type]
        if isinstance(value, RangeSweep) and all(isinstance(one, int) for one in value.range()):
            numbers = list(value.range())
            return IntDistribution(int(min(numbers)), int(max(numbers)), step=abs(int(value.step)))
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise ConfigError(
            f"'{override.input_line}' cannot be searched over ({error})",
            where=override.get_key_element(),
            fix="an interval ends above its start, and one on a logarithmic scale starts above 0",
        ) from None
