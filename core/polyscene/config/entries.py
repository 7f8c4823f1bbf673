"""Single overrides as they were typed: which key they set, to which values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException

from polyscene.errors import Problems


@dataclass(frozen=True)
class Entry:
    """One override: its key or group, the line, and the line for each of its values.

    Args:
        mappings: how many of the values are mappings.
        continuous: whether it is an interval; the values are its ends then.
    """

    key: str
    line: str
    variants: list[str]
    mappings: int = 0
    continuous: bool = False

    def added(self) -> Entry:
        """The same, setting a key that may not exist yet."""
        return Entry(self.key, f"++{self.line}", [f"++{line}" for line in self.variants])

    def deleted(self) -> Entry:
        """What takes the key away."""
        return Entry(self.key, f"~{self.key}", [f"~{self.key}"])


def read_entry(line: str, problems: Problems) -> Entry | None:
    """One override, or ``None`` if it is malformed, which is added to ``problems``; Hydra must be initialized."""
    try:
        [override] = OverridesParser.create(config_loader=_running_hydra().config_loader).parse_overrides([line])
    except HydraException:
        override = None
    if override is None or not override.key_or_group:
        fix = "write key=value, with quotes inside quotes around values with spaces or signs: 'name=\"a b\"'"
        problems.add(f"'{line}' is not an override", fix=fix)
        return None
    head, choices = line.partition("=")[0], _choices(override)
    if not choices:
        problems.add(f"'{line}' stands for no value", fix="widen the range or the pattern, or list values")
        return None
    variants = [f"{head}={text}" for text, _ in choices] if override.is_sweep_override() else [line]
    mappings = sum(isinstance(value, dict) for _, value in choices)
    return Entry(override.key_or_group, line, variants, mappings, isinstance(override.value(), IntervalSweep))


def _choices(override: Override) -> list[tuple[str, Any]]:
    """Values with their texts: all those of a sweep, the ends of an interval, else the one that was given."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [(str(end), end) for end in (value.start, value.end)]
    if override.is_sweep_override():
        return list(zip(override.sweep_string_iterator(), override.sweep_iterator(), strict=True))
    return [("", value)]


def group_options(group: str) -> list[str]:
    """Names that a config group offers; Hydra must be initialized."""
    return _running_hydra().config_loader.get_group_options(group, config_name=None, overrides=[])


def _running_hydra() -> Hydra:
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra
