"""Errors a user can act on: what was found, where, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PolysceneError(Exception):
    """A mistake that the user can mend; the command line prints it without a traceback (exit code 2).

    Args:
        what: what was found, in one sentence.
        where: file, column, config key or plugin in which it was found.
        fix: what to do next.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, where, fix
        super().__init__("\n".join(part for part in (f"{where}: {what}" if where else what, fix) if part))


class DataError(PolysceneError):
    """Tables, splits or files do not hold what they must."""


class DataNotAvailable(DataError):
    """A data set is not on this machine and could not be fetched."""


class ConfigError(PolysceneError):
    """A config value, key or component name is wrong."""


class PluginError(PolysceneError):
    """A plugin is missing, broken or not allowed."""


class ContractError(PluginError):
    """A part of a plugin returned what the contract of its kind does not allow.

    Args:
        culprit: the object that did, by whose module the plugin is found.
        what, fix: as for every error.
    """

    def __init__(self, culprit: object, what: str, *, fix: str = "") -> None:
        self.module = getattr(culprit, "__module__", None) or type(culprit).__module__
        name = getattr(culprit, "__qualname__", None) or type(culprit).__qualname__
        super().__init__(f"{name} {what}", where=self.module, fix=fix)


class BackboneError(PolysceneError):
    """A pretrained model cannot be loaded or its cached activations cannot be trusted."""


class CheckpointError(PolysceneError):
    """A run or checkpoint is missing, damaged or belongs to another model."""


class FeedbackError(PolysceneError):
    """An event is not one, or the feedback log cannot be opened, read or written."""


class ConflictError(FeedbackError):
    """An event's id stands for another event already."""


class AccessError(PolysceneError):
    """API keys are missing or damaged, or are asked for what they cannot be."""


class ExperimentError(PolysceneError):
    """A policy was given what it cannot use, or a log does not carry the answer that it is asked for."""


class ServingError(PolysceneError):
    """A request asks for what the served model does not have, or cannot be answered."""


class Problems:
    """Gathers problems so that all of them are reported at once.

    Example:
        >>> problems = Problems("items.csv")
        >>> problems.add("column 'title' is missing", fix="add it, or declare another Text column")
        >>> problems.raise_if_any(DataError)
        Traceback (most recent call last):
        ...
        polyscene.errors.DataError: items.csv: 1 problem
          - column 'title' is missing: add it, or declare another Text column
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def add(self, what: str, *, fix: str = "") -> None:
        self.found.append(f"{what}: {fix}" if fix else what)

    def add_error(self, error: PolysceneError) -> None:
        """Add what an error says, in one line."""
        what = f"{error.where}: {error.what}" if error.where else error.what
        self.add("; ".join(what.splitlines()), fix="; ".join(error.fix.splitlines()))

    def raise_if_any(self, error: type[PolysceneError]) -> None:
        if self.found:
            count = f"{len(self.found)} problem" + ("s" if len(self.found) > 1 else "")
            raise error("\n".join([count, *(f"  - {line}" for line in self.found)]), where=self.where)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ``did you mean 'video'? Known: music, video`` for a mistyped name."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}Known: {', '.join(known) if known else 'none'}"
