"""The film facts and what they lend to the films of MovieLens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polyscene_kg
from polyscene import Enrichment, KnowledgeGraph, Phase, Split, Tables, check_links
from polyscene.data.access import DataAccess
from polyscene.data.build import build_events, event_labels
from polyscene.data.datasets import DataSet
from polyscene.graph import inverse_relations
from polyscene_kg import KG, KgConfig
from polyscene_kg.data import LINKS, load, read_links, train_facts
from polyscene_kg.enrichment import film_facts
from polyscene_kg.relations import DOMAINS, entity_types
from polyscene_kg.split import TripleSplit, TripleSplitConfig
from polyscene_video import VideoConfig
from polyscene_video.data import load as load_video

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def kg(access: DataAccess) -> Tables:
    return load(KgConfig(), access)


@pytest.fixture(scope="module")
def split(kg: Tables) -> Split:
    return TripleSplit(TripleSplitConfig()).split(kg)


@pytest.fixture(scope="module")
def films(access: DataAccess) -> Tables:
    return load_video(VideoConfig(dataset="movielens_100k"), access)


@pytest.fixture(scope="module")
def enrichment(films: Tables, kg: Tables, split: Split) -> Enrichment:
    found = film_facts(films, kg, split, ["verbalized", "attention", "side_vectors"])
    assert found is not None
    return found


def test_the_facts_have_the_published_size(kg: Tables):
    assert kg.facts is not None
    assert (len(kg.facts), len(kg.items), kg.facts["relation"].nunique()) == (91_631, 34_628, 24)
    assert len(kg.interactions) == 2 * 91_631
    assert set(kg.facts["relation"]) == set(DOMAINS)


def test_links_that_ship_with_the_plugin_are_the_checked_ones(shared_data: Path):
    for name, folder in (("movielens_1m", "ml-1m"), ("movielens_100k", "ml-100k")):
        checked = pd.read_parquet(shared_data / folder / "kg_link.parquet", columns=["item_id", "entity"])
        pd.testing.assert_frame_equal(read_links(name), checked.astype("str"))
        assert LINKS[name].stat().st_size < 50_000


def test_titles_name_linked_films_and_types_the_rest(kg: Tables):
    entities = kg.items.set_index("item_id")
    assert entities["movielens_1m"].notna().sum() == 1559
    assert entities["movielens_100k"].notna().sum() == 1275
    toy_story = entities.loc[entities["movielens_1m"] == "Toy Story (1995)"].iloc[0]
    assert (toy_story["text"], toy_story["type"], toy_story["movielens_100k"]) == (
        "Toy Story (1995). film",
        "film",
        "1",
    )
    unnamed = entities[entities["movielens_1m"].isna()]
    assert (unnamed["text"] == "a " + unnamed["type"]).all()
    assert "thing" not in set(entities["type"])


def test_no_test_fact_can_be_read_off_training(kg: Tables, split: Split):
    facts = kg.facts
    assert facts is not None
    phase = split.phase_R[::2]
    assert (phase == split.phase_R[1::2]).all()
    inverse = inverse_relations(facts)
    assert inverse["film.film.genre"] == "film.film_genre.films_in_this_genre"
    assert len(inverse) == 18
    train = set(facts[phase == Phase.TRAIN].itertuples(index=False, name=None))
    held_out = facts[phase != Phase.TRAIN]
    assert not any((t, inverse.get(r), h) in train for h, r, t in held_out.itertuples(index=False))
    linked = {frozenset((h, t)) for h, _, t in train}
    assert not any(frozenset((h, t)) in linked for h, _, t in held_out.itertuples(index=False))


def test_everything_that_is_asked_for_was_seen(kg: Tables, split: Split):
    train = train_facts(kg, split)
    assert {*train["head"], *train["tail"]} == set(kg.items["item_id"])
    assert train["relation"].nunique() == 24
    share = [split.count(phase) / len(split.phase_R) for phase in (Phase.VALIDATION, Phase.TEST)]
    assert share == pytest.approx([0.05, 0.05], abs=1e-4)


def test_types_do_not_come_from_held_out_facts(kg: Tables, split: Split):
    by_train = entity_types(train_facts(kg, split))
    assert (kg.items.set_index("item_id")["type"] != by_train).mean() < 1e-4


def test_events_hold_both_directions(kg: Tables, split: Split):
    events = build_events(kg, split, KG)
    assert events.n_items == events.n_users == 34_628
    assert not events.ordered
    labels = list(event_labels(kg, "relation"))
    assert len(labels) == 48
    assert [label.removeprefix("~") for label in labels[24:]] == labels[:24]


def test_enrichment_uses_training_facts_only(enrichment: Enrichment, films: Tables, kg: Tables, split: Split):
    entity_of = kg.items.dropna(subset="movielens_100k").set_index("movielens_100k")["item_id"]
    assert enrichment.graph is not None
    assert dict(enrichment.graph.entity_of) == entity_of.to_dict()
    assert (
        dict(zip(enrichment.items["item_id"], enrichment.items["graph_entity"], strict=True))
        == entity_of.to_dict()
    )
    facts = set(enrichment.graph.graph.facts().itertuples(index=False, name=None))
    assert facts == set(train_facts(kg, split).itertuples(index=False, name=None))
    held_out = set(kg.facts.itertuples(index=False, name=None)) - facts
    steps = {step.fact for entity in entity_of for step in enrichment.graph.around(entity)}
    assert steps <= facts
    assert not steps & held_out
    assert "1,275 of 1,682 films linked" in enrichment.note
    assert "links fit" in enrichment.note


def test_what_is_said_of_films_is_true_of_training_facts(enrichment: Enrichment, films: Tables, kg: Tables):
    said = enrichment.items.set_index("item_id")["graph_facts"]
    assert (said != "").mean() > 0.9
    title = films.items.set_index("item_id")["title"]
    film = title.index[title == "Bringing Up Baby (1938)"][0]
    assert "same director as His Girl Friday (1940) and Big Sleep, The (1946)" in said[film]


def test_a_fact_and_its_inverse_are_one_neighbor(enrichment: Enrichment):
    assert enrichment.graph is not None
    for entity in enrichment.graph.entity_of.values():
        steps = [(step.relation, step.entity) for step in enrichment.graph.around(entity)]
        assert "film.film_genre.films_in_this_genre" not in {relation for relation, _ in steps}
        assert len(set(steps)) == len(steps)


def test_enrichment_fits_onto_the_items(enrichment: Enrichment, films: Tables):
    items = films.items.merge(enrichment.items, on="item_id", how="left", validate="one_to_one")
    enriched = replace(films, items=items)
    assert enriched.items["graph_entity"].notna().sum() == 1275
    assert enriched.fingerprint() != films.fingerprint()


def test_the_link_file_of_the_wheel_is_found_to_be_misaligned(access: DataAccess, kg: Tables, films: Tables):
    whole = DataSet(
        **{**vars(access.get("freebase_films")), "files": ("recbole/dataset_example/ml-100k/ml-100k.link",)}
    )
    shipped = DataAccess(
        cache=access.cache, datasets={"freebase_films": replace(whole, name="shipped_links", folder="")}
    )
    path = shipped.path("freebase_films") / "ml-100k.link"
    links = pd.read_csv(path, sep="\t", dtype=str).set_axis(["item_id", "entity"], axis="columns")
    links = links.merge(films.items, on="item_id")
    graph = KnowledgeGraph.from_facts(kg.facts)
    right = read_links("movielens_100k").merge(films.items, on="item_id")
    wrong_check, right_check = (
        check_links(graph, frame["entity"].tolist(), frame["genres"].str.split("|").tolist())
        for frame in (links, right)
    )
    assert wrong_check.misaligned
    assert wrong_check.agreement == pytest.approx(1.01, abs=0.02)
    assert right_check.agreement == pytest.approx(1.68, abs=0.02)


def test_enrichment_is_for_video_beside_kg_only(films: Tables, kg: Tables, split: Split):
    enrich, options = polyscene_kg.polyscene_enrich, {"kg": KgConfig()}
    assert enrich("video", films, {"video": films}, {}, options) is None
    assert enrich("music", films, {"video": films, "kg": kg}, {"kg": split}, options) is None
    strangers = replace(
        films,
        items=films.items.assign(item_id="x" + films.items["item_id"]),
        interactions=films.interactions.assign(
            item_id=np.char.add("x", films.interactions["item_id"].astype(str).to_numpy(dtype=str))
        ),
    )
    assert enrich("video", strangers, {"video": strangers, "kg": kg}, {"kg": split}, options) is None
