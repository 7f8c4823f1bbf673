"""Facts about artists (origin, films, instruments), where a knowledge graph lies beside the listening data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from polyscene import DataError, Enrichment, ItemGraph, KnowledgeGraph, Tables, Way, graph_enrichment, read_parquet

FACTS, LINKS = "kg.parquet", "kg_link.parquet"
SPACE = "artist_entity"

# What people call a relation of an artist; others are named by their ids.
WORDS = {
    "award.competitor.award_nominations": "award nomination",
    "award.competitor.awards_won": "award",
    "award.nominee.award_nominations": "award nomination",
    "award.winner.awards_won": "award",
    "event.agent.performance": "performance",
    "film.actor.film": "film played in",
    "film.director.film": "film directed",
    "film.person_or_entity_appearing_in_film.film": "film appeared in",
    "film.producer.film": "film produced",
    "film.writer.film": "film written",
    "music.artist.album": "album",
    "music.artist.origin": "place of origin",
    "music.artist.track": "track",
    "music.musician.instruments_played": "instrument",
    "people.deceased_person.place_of_death": "place of death",
    "people.person.place_of_birth": "place of birth",
    "people.person.profession": "profession",
}


def artist_graph(folder: Path, *, asked: bool) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Facts, and ``item_id`` with ``entity`` of the linked artists; ``None`` where they are not at hand.

    Raises:
        DataError: they are asked for and not at hand.
    """
    missing = [name for name in (FACTS, LINKS) if not (folder / name).is_file()]
    if missing and asked:
        raise DataError(
            f"there is no {' and no '.join(missing)} in {folder}",
            where="scenario.music.enrich",
            fix="put them there (head, relation, tail; item_id, entity), or leave enrich empty",
        )
    if missing:
        return None, None
    facts = read_parquet(folder / FACTS, ["head", "relation", "tail"]).astype("str").drop_duplicates()
    links = read_parquet(folder / LINKS, ["item_id", "entity"]).astype("str")
    return facts.reset_index(drop=True), links.sort_values("item_id", ignore_index=True)


def artist_facts(music: Tables, ways: Way | list[Way]) -> Enrichment:
    """What the facts say of each linked artist. All of them may be used: none is held out, and none is about a
    listener.
    """
    assert music.facts is not None
    links, titles = music.extra["entities"], music.items["title"].tolist()
    names = dict(zip(music.items["item_id"].tolist(), titles, strict=True))
    pairs = zip(links["item_id"].tolist(), links["entity"].tolist(), strict=True)
    entity_of = {artist: entity for artist, entity in pairs if artist in names}
    graph = KnowledgeGraph.from_facts(music.facts)
    items = ItemGraph(graph, entity_of, {entity: names[artist] for artist, entity in entity_of.items()}, WORDS)
    note = f"{len(entity_of):,} of {len(music.items):,} artists linked to {len(graph):,} facts"
    return graph_enrichment(items, [ways] if isinstance(ways, str) else ways, space=SPACE, note=note)
