"""Variants: runs that differ in nothing but their seed, named by what sets them apart from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyscene.comparison.runs import Run

_IRRELEVANT = {"seed", "name", "controls", "data", "dataset", "logger", "adapted"}
"""What changes no result of a run's own model, or is the repetition itself."""


@dataclass(frozen=True)
class Variant:
    """Runs of one config with different seeds.

    Args:
        label: what sets it apart, such as ``adapter=gate``; empty if there is no other variant.
        settings: the same as values by key.
        runs: one for each seed.
    """

    label: str
    settings: Mapping[str, str]
    runs: tuple[Run, ...]


def variants(runs: Sequence[Run]) -> list[Variant]:
    """The variants among some runs, in the order in which they first appear.

    Runs that bring a label of their own are grouped by it. Where a run was repeated with the same seed, the first
    one stands for all.
    """
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        key = run.label or tuple(sorted(_own(run).items()))
        same = groups.setdefault(key, [])
        if all(other.config["seed"] != run.config["seed"] for other in same):
            same.append(run)
    named = settings_apart([_own(same[0]) for same in groups.values()])
    found: dict[str, Variant] = {}
    for same, settings in zip(groups.values(), named, strict=True):
        label = same[0].label or ", ".join(f"{key}={value}" for key, value in settings.items())
        if label in found:  # their configs differ in an option that one of them does not have
            label = f"{label} ({same[0].folder.name})".strip()
        found[label] = Variant(label, settings, tuple(same))
    return list(found.values())


def settings_apart(configs: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """For each config the values that others have differently.

    Options of a component are compared among configs that chose it, options of a scenario among those that have
    it: what a component brings with it is said by its name.
    """
    found: list[dict[str, str]] = [{} for _ in configs]
    for key in dict.fromkeys(key for config in configs for key in config):
        parent, _, last = key.rpartition(".")
        families: dict[str, set[str]] = {}
        for config in configs:
            if key in config:
                family = "" if last == "name" else config.get(f"{parent}.name", "")
                families.setdefault(family, set()).add(config[key])
        for config, settings in zip(configs, found, strict=True):
            family = "" if last == "name" else config.get(f"{parent}.name", "")
            if key in config and len(families[family]) > 1:
                settings[parent if last == "name" and parent else key] = config[key]
    return found


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """A nested config as text by dotted key."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = _shown(value)
    return found


def _own(run: Run) -> dict[str, str]:
    """What decides the run's result, besides its seed."""
    scenarios = ",".join(run.config["scenario"])
    values = {"scenario": f"[{scenarios}]"} | flat(run.config)
    return {
        key: value
        for key, value in values.items()
        if key.partition(".")[0] not in _IRRELEVANT and key != "trainer.threads"
    }


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
