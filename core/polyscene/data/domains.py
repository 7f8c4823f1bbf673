"""Domains: one scenario divided into several by a column of its users or items, as the config says it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from polyscene.errors import ConfigError, Problems

SEPARATOR = "-"
"""Stands between a scenario and its domain in names such as ``video-young``; names of scenarios hold none."""
_LABEL = re.compile(r"[a-z0-9_]+")


@dataclass
class DomainsConfig:
    """How a scenario is divided.

    Args:
        column: a column of the users or of the items.
        values: the values of each domain by its name, as in ``{young: [1, 18], older: [25, 35]}``; entities with
            other values are in no domain. Empty makes a domain of every value, named after it.
    """

    column: str
    values: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = Problems(f"domains by '{self.column}'")
        owner: dict[str, str] = {}
        for label, values in self.values.items():
            if not _LABEL.fullmatch(label):
                problems.add(f"'{label}' is no name for a domain", fix="use lower-case letters, digits and _")
            if not values:
                problems.add(f"domain '{label}' has no values", fix="name some, or leave it out")
            for value in map(str, values):
                if owner.setdefault(value, label) != label:
                    problems.add(
                        f"value '{value}' is in '{owner[value]}' and in '{label}'", fix="keep one of them"
                    )
        if len(self.values) == 1:
            problems.add("there is one domain only", fix="name two or more, or leave 'values' out")
        problems.raise_if_any(ConfigError)


def domain_name(scenario: str, label: str) -> str:
    """The name of a domain as a scenario of the model."""
    return f"{scenario}{SEPARATOR}{label}"


def scenario_of(name: str) -> str:
    """The scenario that a name belongs to: its own, or the one that the domain is a part of."""
    return name.partition(SEPARATOR)[0]


def label_of(value: Any) -> str:
    """A value as the name of a domain: ``DRUG GM`` is ``drug_gm``."""
    return re.sub(r"[^a-z0-9]+", "_", str(value).lower()).strip("_") or "_"
