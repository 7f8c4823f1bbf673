"""Checks of overrides before Hydra sees them, so that all mistakes are told at once and in our words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from polyscene.config.search_path import COMPONENT_GROUPS
from polyscene.errors import PolysceneError, Problems, did_you_mean
from polyscene.registry.host import Host

_NAME = re.compile(r"[\w./-]+")


@dataclass(frozen=True)
class Overrides:
    """Overrides that compose.

    Args:
        lines: what to give to Hydra.
        sweeps: the choices of each swept key, as ``key=value`` lines; empty without a multirun.
    """

    lines: list[str]
    sweeps: list[list[str]]

    def single(self) -> list[str]:
        """One combination: the first choice of each swept key."""
        swept = {choices[0].partition("=")[0]: choices[0] for choices in self.sweeps}
        return [swept.get(line.partition("=")[0], line) for line in self.lines]

    def jobs_to_check(self) -> list[list[str]]:
        """Combinations in which every choice of every swept key occurs once."""
        base = self.single()
        jobs = [base]
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
    becomes dataclasses. That is not possible for groups and for members of the scenarios.

    Args:
        name: the primary config.
        given: what was typed.
        host: knows names that a config may use.
        problems: receives what is malformed or names what does not exist.
        sweep: whether a key may have several values, separated by commas.
    """
    parsed = [one for one in (_parsed(line, problems) for line in given) if one is not None]
    # Groups first: which keys exist depends on what was chosen.
    parsed.sort(key=lambda one: not _is_group(one))
    check = _Check(name, host, problems)
    lines: list[str] = []
    sweeps: list[list[str]] = []
    for override in parsed:
        variants = _variants(override)
        if len(variants) > 1 and not sweep:
            key, _, value = str(override.input_line).partition("=")
            problems.add(
                f"'{override.input_line}' has several values",
                fix=f"add -m to run them one by one, or choose them together with {key}=[{value}]",
            )
            check.refused.add(override.key_or_group)
            continue
        accepted = [line for line in (check.accepted(variant, override) for variant in variants) if line]
        if len(accepted) < len(variants):
            check.refused.add(override.key_or_group)
            continue
        check.fixed.append(accepted[0])
        if len(variants) > 1:
            sweeps.append(accepted)
            added = accepted[0].startswith("++") and not variants[0].startswith("+")
            lines.append(("++" if added else "") + str(override.input_line))
        else:
            lines += accepted
    return Overrides(lines, sweeps)


class _Check:
    """Tries overrides one after the other on top of those already accepted."""

    def __init__(self, name: str, host: Host, problems: Problems) -> None:
        self.name, self.host, self.problems = name, host, problems
        self.fixed: list[str] = []
        self.refused: set[str] = set()

    def accepted(self, line: str, override: Override) -> str:
        """The line as Hydra takes it; empty after a problem was added."""
        key = override.key_or_group
        if key.split(".")[0] in self.refused:
            return ""  # an option of something that does not exist: one complaint is enough
        if _is_group(override) and self._unknown_names(key, line):
            return ""
        error = self._failure(line)
        if error is None:
            return line
        if "not in struct" in error and not key.startswith("hydra"):
            absent = self._absent_member(key)
            added = f"++{line.lstrip('+')}"
            if not absent and self._failure(added) is None:
                return added
            error = absent or error
        self.problems.add(f"'{line}': {error}")
        return ""

    def _failure(self, line: str) -> str | None:
        try:
            compose(self.name, [*self.fixed, line], return_hydra_config=True)
        except (HydraException, OmegaConfBaseException) as error:
            text = f"{error} {error.__cause__ or ''}".partition("Config search path")[0].partition("object_type")[
                0
            ]
            return re.sub(r"\s+", " ", text.replace("full_key:", "at")).strip()
        return None

    def _unknown_names(self, group: str, line: str) -> bool:
        chosen = [name.strip() for name in line.partition("=")[2].strip().strip("[]").split(",")]
        options = group_options(group)
        plain = [name for name in chosen if _NAME.fullmatch(name)]
        unknown = [name for name in plain if name not in options]
        for name in unknown:
            where = group.partition("@")[0]
            try:
                if where == "scenario":
                    self.host.scenario(name)
                elif where in COMPONENT_GROUPS:
                    self.host.component(where, name)
            except PolysceneError as error:
                self.problems.add_error(error)
            else:
                self.problems.add(f"there is no {where} called '{name}'", fix=did_you_mean(name, options))
        return bool(unknown)

    def _absent_member(self, key: str) -> str:
        """Why ``scenario.NAME.option`` cannot be set: NAME is not among the chosen ones."""
        parts = key.split(".")
        if parts[0] not in ("scenario", "dataset") or len(parts) < 3:
            return ""
        present = compose(self.name, self.fixed).get(parts[0]) or {}
        if parts[1] in present:
            return ""
        return f"{parts[0]} '{parts[1]}' is not among those chosen ({', '.join(map(str, present)) or 'none'})"


def group_options(group: str) -> list[str]:
    """Names that a config group offers; Hydra must be initialized."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.config_loader.get_group_options(group, config_name=None, overrides=[])


def _parsed(line: str, problems: Problems) -> Override | None:
    try:
        override = OverridesParser.create().parse_override(line)
    except HydraException:
        override = None
    if override is None or not override.key_or_group:
        fix = "write key=value, with quotes inside quotes around values with spaces or signs: 'name=\"a b\"'"
        problems.add(f"'{line}' is not an override", fix=fix)
        return None
    return override


def _variants(override: Override) -> list[str]:
    line = str(override.input_line)
    if not override.is_sweep_override() or not override.is_discrete_sweep():
        return [line]
    key = line.partition("=")[0]
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _is_group(override: Override) -> bool:
    return override.key_or_group.startswith("hydra/") or bool(group_options(override.key_or_group))
