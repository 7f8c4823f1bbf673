"""Some of the windows of a step."""

from __future__ import annotations

from polyscene.data.windows import Windows


def first_windows(windows: Windows, count: int) -> Windows:
    """At most so many windows: they were drawn at random, so the first ones will do."""
    kept = {
        name: getattr(windows, name)[:count]
        for name in ("user_B", "row_BT", "valid_BT", "item_BT", "value_BT", "time_BT")
    }
    columns = {name: column[:count] for name, column in windows.columns.items()}
    return Windows(**kept, columns=columns, ordered=windows.ordered, together=windows.together)
