"""Examples: what some users had, what each method recommends to them, and what came next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from polyscene.data.tables import Tables
from polyscene.evaluation.measured import Measured
from polyscene.evaluation.requests import Requests, evenly_spaced
from polyscene.evaluation.titles import item_titles
from polyscene.tasks.facts import RELATION, relation_names

SHOWN, PAST, NEXT, ITEMS, LONGEST = 3, 8, 5, 5, 80
_POPULATIONS = ("warm", "cold")


class Examples:
    """Gathers the examples of a run; :meth:`add` is a :data:`~polyscene.evaluation.measured.Keep`.

    The requests are evenly spaced over all that are asked, whatever any method makes of them, and the same for
    all methods.

    Args:
        tables: by scenario, for titles.
    """

    def __init__(self, tables: Mapping[str, Tables]) -> None:
        self._tables = tables
        self._shown: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def add(self, measured: Measured) -> None:
        """Keep what a method recommends at the chosen requests."""
        if not measured.main or measured.population.name not in _POPULATIONS:
            return
        requests = next(measured.subject.requests(measured.population, measured.view, limit=SHOWN))
        tables = self._tables[measured.subject.name]
        place = (measured.subject.name, measured.population.name)
        if place not in self._shown:
            self._shown[place] = _asked(measured, requests, tables)
        ranking, chosen = measured.ranking, _chosen(measured)
        for number, (example, row) in enumerate(zip(self._shown[place], chosen, strict=True)):
            wanted = set(_wanted(measured, requests, number))
            best = [item for item in ranking.top_BK[row, :ITEMS].tolist() if item >= 0]
            rank_M = ranking.rank_M[ranking.row_M == row]
            example["methods"].append(
                {
                    "method": measured.method,
                    "items": [
                        {"title": title, "hit": item in wanted}
                        for item, title in zip(best, _titles(tables, best), strict=True)
                    ],
                    "rank": int(rank_M.min()) if len(rank_M) else None,
                }
            )

    def rows(self, own: str = "") -> list[dict[str, Any]]:
        """What ``metrics.json`` holds under ``examples``; the run's ``own`` method comes first."""
        examples = [example for examples in self._shown.values() for example in examples]
        for example in examples:
            example["methods"].sort(key=lambda one: one["method"] != own)
        return examples


def _asked(measured: Measured, requests: Requests, tables: Tables) -> list[dict[str, Any]]:
    subject, events = measured.subject, measured.subject.events
    found = []
    for number, user in enumerate(requests.user_B.tolist()):
        start, stop = int(requests.start_B[number]), int(requests.stop_B[number])
        past = events.item_R[start:stop].flip(0).tolist() if subject.from_history else []
        asked = f"user {tables.users['user_id'].iloc[user]}"
        if not subject.from_history:
            relation = relation_names(tables)[int(events.columns[RELATION][start])]
            asked = f"{_titles(tables, [user])[0]}: {relation}"
        wanted = _wanted(measured, requests, number)
        found.append(
            {
                "scenario": subject.name,
                "population": measured.population.name,
                "kind": "fact" if not subject.from_history else "user" if subject.ranked else "judged",
                "asked": asked,
                "past": _titles(tables, past[:PAST]),
                "past_count": len(past),
                "ordered": events.ordered,
                "next": _titles(tables, wanted[:NEXT]),
                "next_count": len(wanted),
                "methods": [],
            }
        )
    return found


def _chosen(measured: Measured) -> list[int]:
    return evenly_spaced(measured.ranking.n_rows, SHOWN).tolist()


def _wanted(measured: Measured, requests: Requests, number: int) -> list[int]:
    """What the ranking should have at its top, in the order of the events."""
    ranking, asked = measured.ranking, requests.targets
    targets = set(ranking.item_M[ranking.row_M == _chosen(measured)[number]].tolist())
    return [item for item in dict.fromkeys(asked.item_M[asked.row_M == number].tolist()) if item in targets]


def _titles(tables: Tables, items: list[int]) -> list[str]:
    """What items are called; those that share a name are told apart by their ids."""
    known, ids = item_titles(tables, items), tables.items["item_id"]
    shared = Counter(known.get(item) for item in items)
    names = []
    for item in items:
        name = known.get(item) or str(ids.iloc[item])
        names.append(
            shorten(name, LONGEST, placeholder="...") + (f" ({ids.iloc[item]})" if shared[name] > 1 else "")
        )
    return names
