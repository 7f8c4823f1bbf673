"""Some of the windows of a step."""

from __future__ import annotations

from dataclasses import replace

from polyscene.data.windows import Windows


def first_windows(windows: Windows, count: int) -> Windows:
    """At most so many windows: they were drawn at random, so the first ones will do."""
    return replace(windows.some(slice(count)), labelled_BT=None)
