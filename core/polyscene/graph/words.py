"""Facts in words: what can be said of an item whose graph names hardly anything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from polyscene.graph.directions import is_inverse, plain

if TYPE_CHECKING:
    from polyscene.graph.items import ItemGraph, Step

_EXAMPLES = 2


def relation_words(relation: str, words: Mapping[str, str]) -> str:
    """What people call a relation: its entry in ``words``, or what its id says.

    Example:
        >>> relation_words("film.film.directed_by", {"film.film.directed_by": "director"})
        'director'
        >>> relation_words("music.artist.origin", {}), relation_words("~born_in", {})
        ('artist origin', 'born in, from the other side')
    """
    if relation in words:
        return words[relation]
    if is_inverse(relation):
        return f"{relation_words(plain(relation), words)}, from the other side"
    parts = relation.split(".")
    if len(parts) > 2:  # music.artist.origin: a domain, a type and what is said; film.film.genre says film twice
        parts = parts[-1:] if parts[-3] == parts[-2] else parts[-2:]
    return " ".join(parts).replace("_", " ")


def verbalized(items: ItemGraph, *, most_common: float = 0.1, relations: int = 8) -> dict[str, str]:
    """What the graph says of each linked item, in words: ``{item id: text}``; items of which nothing can be said
    are left out.

    A neighbor with a name is named: ``sequel Aliens (1986)``. One without (Freebase ids carry no names) is known
    by the company it keeps: ``same director as Heat (1995) and Collateral (2004)`` names the linked items that
    share most of the item's neighbors under that relation, rare ones counting more (``1 / log(1 + items)``).

    Args:
        items: the graph.
        most_common: neighbors of more than this share of the linked items are passed over: that half of all
            films share a country says nothing.
        relations: number of relations that are spoken of, those with the rarest neighbors first.
    """
    limit = max(2.0, most_common * len(items.entity_of))
    found = {item: _said(items, item, entity, limit, relations) for item, entity in items.entity_of.items()}
    return {item: text for item, text in found.items() if text}


def _said(items: ItemGraph, item: str, entity: str, limit: float, relations: int) -> str:
    by_relation: dict[str, list[Step]] = {}
    for step in items.around(entity):
        by_relation.setdefault(step.relation, []).append(step)
    said = []
    for relation, steps in by_relation.items():
        named = sorted(items.names[step.entity] for step in steps if step.entity in items.names)
        if named:
            said.append((-math.inf, f"{items.word(relation)} {_listed(named[:_EXAMPLES])}"))
            continue
        company: Counter[str] = Counter()
        for step in steps:
            others = items.items_at.get(step.entity, ())
            if len(others) <= limit:
                weight = 1 / math.log(1 + len(others)) if others else 0
                company.update({other: weight for other in others if other != item and _name(items, other)})
        nearest = sorted(company, key=lambda other: (-company[other], other))[:_EXAMPLES]
        if nearest:
            names = [_name(items, other) for other in nearest]
            said.append((-company[nearest[0]], f"same {items.word(relation)} as {_listed(names)}"))
    return "; ".join(text for _, text in sorted(said)[:relations])


def _name(items: ItemGraph, item: str) -> str:
    return items.names.get(items.entity_of[item], "")


def _listed(names: list[str]) -> str:
    return " and ".join(names)
