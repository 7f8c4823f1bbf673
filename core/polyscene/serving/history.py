"""What a user had: rows of the data, and what feedback told since."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.errors import ServingError, did_you_mean
from polyscene.evaluation.titles import item_titles
from polyscene.serving.engine import Engine


@dataclass(frozen=True)
class Had:
    """An item that a user had, and what it is called."""

    item: str
    title: str | None


def history_of(engine: Engine, scenario: str, user: str, count: int) -> list[Had]:
    """The latest items of a user, latest first, each once.

    Args:
        engine: knows the data and what feedback told.
        scenario: whose items.
        user: the user's id; nothing is known of somebody new.
        count: at most so many.

    Raises:
        ServingError: there is no such scenario.
    """
    if scenario not in engine.shelves:
        raise ServingError(
            f"there is no scenario '{scenario}'", where="scenario", fix=did_you_mean(scenario, engine.shelves)
        )
    shelf = engine.shelves[scenario]
    _, start, stop = shelf.rows_of(user)
    rows = [*shelf.loaded.events.item_R[start:stop].tolist(), *shelf.done_by(user).items]
    latest = list(dict.fromkeys(reversed(rows)))[:count]
    titles = item_titles(shelf.loaded.tables, latest)
    ids = shelf.loaded.tables.items["item_id"]
    return [Had(str(ids.iloc[row]), titles.get(row)) for row in latest]
