"""Checks that the options of several adapters have in common."""

from __future__ import annotations

from typing import Any

from polyscene.errors import ConfigError, Problems


def check_counts(config: Any, kind: str, *names: str) -> None:
    """The named options are counts or widths: 1 or more.

    Args:
        config: the adapter's options.
        kind: name of the adapter.
        names: options to check.

    Raises:
        ConfigError: with every option that is not.
    """
    problems = Problems(f"adapter '{kind}'")
    for name in names:
        if getattr(config, name) < 1:
            problems.add(f"{name} is {getattr(config, name)}", fix="use 1 or more")
    problems.raise_if_any(ConfigError)
