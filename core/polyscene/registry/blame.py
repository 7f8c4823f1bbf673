"""Whose code an unexpected error comes from."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from polyscene.errors import ContractError, PluginError, PolysceneError
from polyscene.registry.discovery import find_candidates
from polyscene.registry.records import PluginRecord

MEND = "mend or update the plugin; `polyscene plugins check {name}` tests what it brings"


def blamed(
    error: BaseException, plugins: Iterable[PluginRecord] | None = None, fix: str = MEND
) -> PluginError | None:
    """The error as one of the plugin whose code raised it, with distribution, version and place.

    Args:
        error: what was raised, with its traceback.
        plugins: those that may be at fault; ``None`` stands for all that are installed.
        fix: what to do next; ``{name}`` stands for the plugin's.

    Returns:
        ``None`` where no plugin is at fault, or the error says in words what a user can do.
    """
    if not isinstance(error, Exception | SystemExit):
        return None
    if isinstance(error, PolysceneError) and not isinstance(error, ContractError):
        return None
    for plugin in map(PluginRecord.of, find_candidates()) if plugins is None else plugins:
        reason = _reason(error, plugin)
        if reason:
            who = f"plugin '{plugin.name}' ({plugin.source})"
            return PluginError(f"{who} failed: {reason}", fix=fix.format(name=plugin.name))
    return None


def _reason(error: BaseException, plugin: PluginRecord) -> str:
    """What went wrong in the plugin's code and where, in one line; empty where its code has no part in it."""
    if isinstance(error, ContractError):
        return f"{error.what}; {error.fix}" if _is_inside(error.module, plugin.module) else ""
    place = _place(error.__traceback__, _folder(plugin))
    said = str(error).strip().partition("\n")[0]
    return f"{': '.join(part for part in (type(error).__name__, said) if part)} ({place})" if place else ""


def _is_inside(module: str, plugin: str) -> bool:
    package = plugin.partition(":")[0]
    return module == package or module.startswith(f"{package}.")


def _folder(plugin: PluginRecord) -> Path | None:
    """Where the plugin's code is: its package's folder, or the file of a plugin that is one module."""
    module = sys.modules.get(plugin.module.partition(":")[0])
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
