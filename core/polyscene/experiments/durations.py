"""Stretches of time as people write them."""

from __future__ import annotations

import re

from polyscene.errors import ConfigError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str, where: str) -> float:
    """Seconds of ``90s``, ``30m``, ``12h`` or ``7d``.

    Raises:
        ConfigError: it is not like that, or 0; ``where`` says what it was for.

    Example:
        >>> seconds("30m", "window")
        1800.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None or float(match[1]) == 0:
        raise ConfigError(f"'{text}' is not a time", where=where, fix="write 90s, 30m, 12h or 7d")
    return float(match[1]) * _SECONDS[match[2]]
