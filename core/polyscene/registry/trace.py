"""A trace of hook calls on standard error: which plugin was asked what, what it answered, and how long it took."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import Any

import pluggy

VARIABLE = "POLYSCENE_TRACE"
_PLAIN = (str, int, float, bool, Path, type(None))


def is_asked_for() -> bool:
    """Whether the environment variable ``POLYSCENE_TRACE`` (or ``polyscene --trace``) asks for a trace."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def trace(manager: pluggy.PluginManager, source: Callable[[str], str]) -> Callable[[], None]:
    """Write a line for each call of a hook of a plugin, until the returned function is called.

    Args:
        manager: makes the calls.
        source: distribution and version of a plugin by its name.
    """
    started: list[float] = []  # calls may be nested: a hook that loads data may ask for components

    def before(hook: str, implementations: Any, arguments: Mapping[str, Any]) -> None:
        started.append(time.perf_counter())

    def after(outcome: pluggy.Result[Any], hook: str, implementations: Any, arguments: Mapping[str, Any]) -> None:
        milliseconds = 1000 * (time.perf_counter() - started.pop())
        plugins = ", ".join(f"{one.plugin_name} ({source(one.plugin_name)})" for one in implementations)
        given = ", ".join(f"{name}={_shown(value)}" for name, value in arguments.items())
        if outcome.exception is not None:
            answer = f"raised {type(outcome.exception).__name__}: {outcome.exception}".splitlines()[0]
        else:
            answer = ", ".join(_shown(result) for result in outcome.get_result()) or "None"
        sys.stderr.write(f"trace: {hook}({given}) of {plugins}: {answer}, {milliseconds:.1f} ms\n")
        sys.stderr.flush()

    return manager.add_hookcall_monitoring(before, after)


def _shown(value: Any) -> str:
    """A value in a few words; tables and configs by their kind and size."""
    if isinstance(value, _PLAIN):
        text = str(value) if isinstance(value, Path) else repr(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    kind = type(value).__name__
    if isinstance(value, list) and value:
        return f"{len(value)} {type(value[0]).__name__}"
    return f"{kind} of {len(value)}" if isinstance(value, Sized) else kind
