"""What every worker does: answer requests, one JSON line each, until there are no more."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any


def answer(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Read ``{"do": NAME, ...}`` from standard input, call ``NAME(...)``, write what it returns.

    Whatever a library prints goes to standard error.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            found = handlers[request.pop("do")](**request)
            replies.write(json.dumps(found) + "\n")
            replies.flush()
