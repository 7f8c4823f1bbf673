"""Checks of overrides before Hydra sees them, so that all mistakes are told at once and in our words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from polyscene.config.entries import Entry, group_options, read_entry
from polyscene.config.extras import lacks_package
from polyscene.config.search_path import COMPONENT_GROUPS
from polyscene.errors import PolysceneError, Problems, did_you_mean
from polyscene.registry.host import Host

CANNOT_COMPOSE = (HydraException, OmegaConfBaseException, YAMLError, ValueError)
"""What composing raises: overrides that do not fit, references to nothing, files that are no YAML or no text."""
_NAME = re.compile(r"[\w./-]+")
_SWEEPER = "hydra/sweeper"
_SEARCH = f"{_SWEEPER}=optuna"


@dataclass(frozen=True)
class Overrides:
    """Overrides that compose.

    Args:
        lines: what to give to Hydra.
        sweeps: the choices of each swept key, as ``key=value`` lines; empty without a multirun.
        first: what the first choices compose to, with Hydra's own part.
        refused: keys of groups whose choice was refused, so that what is composed there is not what was meant.
    """

    lines: list[str]
    sweeps: list[list[str]]
    first: DictConfig
    refused: frozenset[str] = frozenset()

    @property
    def searches(self) -> bool:
        """Whether the jobs are proposed one after another, instead of all combinations."""
        return _SEARCH in self.lines

    def single(self) -> list[str]:
        """One combination: the first choice of each swept key."""
        swept = {choices[0].partition("=")[0]: choices[0] for choices in self.sweeps}
        return [swept.get(line.partition("=")[0], line) for line in self.lines]

    def other_jobs(self) -> list[list[str]]:
        """Combinations in which every choice of every swept key but the first occurs once."""
        base, jobs = self.single(), []
        for choices in self.sweeps:
            key = choices[0].partition("=")[0]
            jobs += [
                [choice if line.partition("=")[0] == key else line for line in base] for choice in choices[1:]
            ]
        return jobs


def check_overrides(
    name: str, given: Iterable[str], host: Host, problems: Problems, *, sweep: bool = False
) -> Overrides:
    """The overrides that can be applied to the primary config ``name``; Hydra must be initialized.

    Options that no file lists are let through (as ``++key=value``): whether they exist is checked when the config
    becomes dataclasses. That is not possible for groups and for members of the scenarios. ``key={...}`` replaces
    all that was there, as options of one component mean nothing to another; Hydra alone would merge the two.

    Args:
        name: the primary config.
        given: what was typed.
        host: knows names that a config may use.
        problems: receives what is malformed or names what does not exist.
        sweep: whether a key may have several values, separated by commas.
    """
    entries = [entry for line in given if (entry := read_entry(line, problems)) is not None]
    refused: set[str] = set()
    combines = not any(entry.key == _SWEEPER for entry in entries)
    groups: list[Entry] = []
    values: list[Entry] = []
    for entry in entries:
        is_group = bool(entry.key.startswith("hydra/") or group_options(entry.key))
        several = len(entry.variants) > 1 and not sweep
        mixed = is_group and 0 < entry.mappings < len(entry.variants)
        if several:
            key, _, value = entry.line.partition("=")
            problems.add(
                f"'{entry.line}' has several values",
                fix=f"add -m to run them one by one, or choose them together with {key}=[{value}]",
            )
        elif mixed:
            problems.add(
                f"'{entry.line}' mixes names and groups of keys", fix="write each as {name: NAME, option: value}"
            )
        elif entry.continuous and combines:
            problems.add(
                f"'{entry.line}' is an interval, which has no list of values to combine",
                fix=f"let {_SEARCH} search in it, or list values",
            )
        # A mapping is no name: it stands for what a file of the group would say.
        is_group = is_group and not entry.mappings
        if several or mixed or (is_group and _unknown_names(entry, host, problems)):
            refused.add(entry.key)
        else:
            (groups if is_group else values).append(entry)
    # An option of something that does not exist is not complained about: one complaint is enough.
    beneath = tuple(f"{key.replace('/', '.')}." for key in refused)
    values = [entry for entry in values if entry.key not in refused and not entry.key.startswith(beneath)]
    accepted, composed = _applicable(name, [], groups, problems)
    values = [found for entry in values for found in _addressed(entry, composed, problems)]
    if values:
        added, composed = _applicable(name, accepted, values, problems)
        accepted += added
    return Overrides(
        [entry.line for entry in accepted],
        [entry.variants for entry in accepted if len(entry.variants) > 1],
        composed,
        frozenset(refused),
    )


def _applicable(
    name: str, base: list[Entry], entries: list[Entry], problems: Problems
) -> tuple[list[Entry], DictConfig]:
    """Those entries that Hydra accepts on top of ``base`` (tried one by one only if together they fail)."""
    lines = [entry.variants[0] for entry in base]
    composed = _composed(name, [*lines, *(entry.variants[0] for entry in entries)])
    if isinstance(composed, DictConfig):
        return entries, composed
    good: list[Entry] = []
    for entry in entries:
        composed = _composed(name, [*lines, entry.variants[0]])
        if isinstance(composed, DictConfig):
            good.append(entry)
            lines.append(entry.variants[0])
        else:
            problems.add(f"'{entry.line}': {composed}")
    return good, compose(name, lines, return_hydra_config=True)


def _composed(name: str, lines: list[str]) -> DictConfig | str:
    """The config with Hydra's own part, or what is wrong in one line."""
    try:
        return compose(name, lines, return_hydra_config=True)
    except CANNOT_COMPOSE as error:
        return composing_problem(error)


def composing_problem(error: Exception) -> str:
    """What is wrong in one line, without what Hydra knows of itself."""
    text = f"{error} {error.__cause__ or ''}".partition("Config search path")[0].partition("object_type")[0]
    return re.sub(r"\s+", " ", text.replace("full_key:", "at")).strip()


def _addressed(entry: Entry, chosen: DictConfig, problems: Problems) -> list[Entry]:
    """The entry as it must be given to Hydra: with ``++`` where no file lists its key."""
    parts = entry.key.split(".")
    if parts[0] == "hydra" or not entry.line[0].isalpha():
        return [entry]
    if parts[0] in ("scenario", "dataset") and len(parts) > 2:
        present = chosen.get(parts[0]) or {}
        if parts[1] not in present:
            among = ", ".join(map(str, present)) or "none"
            problems.add(f"'{entry.line}': {parts[0]} '{parts[1]}' is not among those chosen ({among})")
            return []
    node: Any = chosen
    for part in parts:
        if not isinstance(node, DictConfig) or part not in node:
            return [entry.added()]
        node = node.get(part)
    if entry.mappings and isinstance(node, DictConfig):
        return [entry.deleted(), entry.added()]
    return [entry]


def _unknown_names(entry: Entry, host: Host, problems: Problems) -> bool:
    group = entry.key.partition("@")[0]
    options = group_options(group)
    values = [line.partition("=")[2].strip().strip("[]") for line in entry.variants]
    names = [name.strip() for value in values for name in value.split(",")]
    # Anything else than plain names (null, glob(*), quotes) is left to Hydra.
    unknown = [name for name in names if _NAME.fullmatch(name) and name not in options and name != "null"]
    for name in unknown:
        try:
            if group == "scenario":
                host.scenario(name)
            elif group in COMPONENT_GROUPS:
                host.component(group, name)
        except PolysceneError as error:
            problems.add_error(error)
        else:
            problems.add(f"there is no {group} called '{name}'", fix=did_you_mean(name, options))
    return bool(unknown) or any(lacks_package(group, name, problems) for name in names)
