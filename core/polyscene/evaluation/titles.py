"""What items are called: titles, texts where those are missing."""

from __future__ import annotations

from collections.abc import Iterable

from polyscene.data.tables import Tables


def item_titles(tables: Tables, items: Iterable[int]) -> dict[int, str]:
    """Titles by row of ``tables.items``; none where a scenario has neither titles nor texts."""
    table = tables.items.iloc[sorted(set(items))]
    named = [table[name] for name in ("title", "text") if name in table]
    if not named:
        return {}
    shown = named[0].astype("object").where(named[0].notna(), named[-1].astype("object"))
    return {int(row): str(title) for row, title in shown.items()}  # type: ignore[call-overload]  # rows are numbered
