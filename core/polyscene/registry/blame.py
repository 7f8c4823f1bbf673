"""Whose code an unexpected error comes from."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import TracebackType

from polyscene.errors import ContractError, PluginError, PolysceneError
from polyscene.registry.discovery import Candidate, find_candidates

MEND = "mend or update the plugin; `polyscene plugins check {name}` tests what it brings"


def blamed(error: BaseException, fix: str = MEND) -> PluginError | None:
    """The error as one of the plugin whose code raised it, with distribution, version and place.

    Args:
        error: what was raised, with its traceback.
        fix: what to do next; ``{name}`` stands for the plugin's.

    Returns:
        ``None`` where no installed plugin is at fault, or the error says in words what a user can do.
    """
    if isinstance(error, PolysceneError) and not isinstance(error, ContractError):
        return None
    if not isinstance(error, Exception | SystemExit):
        return None
    for candidate in find_candidates():
        if isinstance(error, ContractError):
            if _is_inside(error.module, candidate.entry_point.value):
                return _error(candidate, f"{error.what}; {error.fix}", fix)
            continue
        place = _place(error.__traceback__, _folder(candidate))
        if place:
            said = str(error).strip().partition("\n")[0]
            words = ": ".join(part for part in (type(error).__name__, said) if part)
            return _error(candidate, f"{words} ({place})", fix)
    return None


def _error(candidate: Candidate, reason: str, fix: str) -> PluginError:
    who = f"plugin '{candidate.name}' ({candidate.distribution} {candidate.version})"
    return PluginError(f"{who} failed: {reason}", fix=fix.format(name=candidate.name))


def _is_inside(module: str, plugin: str) -> bool:
    package = plugin.partition(":")[0]
    return module == package or module.startswith(f"{package}.")


def _folder(candidate: Candidate) -> Path | None:
    """Where the plugin's code is: its package's folder, or the file of a plugin that is one module."""
    module = sys.modules.get(candidate.entry_point.value.partition(":")[0])
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    return Path(file).parent if hasattr(module, "__path__") else Path(file)


def _place(trace: TracebackType | None, folder: Path | None) -> str:
    """The innermost line of a traceback inside a folder, as ``package/module.py:12``."""
    if folder is None:
        return ""
    for frame in reversed(traceback.extract_tb(trace)):
        path = Path(frame.filename)
        if path == folder or folder in path.parents:
            return f"{'/'.join(path.parts[-2:])}:{frame.lineno}"
    return ""
