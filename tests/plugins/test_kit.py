"""The five built-in plugins under the kit; what is special about each is in its own files."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import polyscene_ecommerce
import polyscene_kg
import polyscene_music
import polyscene_social
import polyscene_video
from polyscene import Column, FitContext, Phase, Split, Tables, Timestamp, both_directions
from polyscene.features.encoder import SharedModules
from polyscene.registry.components import Component
from polyscene.testing import EncoderSuite, EnricherSuite, Lent, ScenarioSuite, suites_of

PLUGINS = (polyscene_ecommerce, polyscene_kg, polyscene_music, polyscene_social, polyscene_video)


def components(plugin: ModuleType, kind: str = "") -> list[Component]:
    return [
        one for one in plugin.polyscene_components() if one.kind == kind or (not kind and one.kind != "encoder")
    ]


for _plugin in PLUGINS:
    globals().update(suites_of(components(_plugin)))


class TestHierarchy(EncoderSuite):
    component = components(polyscene_ecommerce, "encoder")[0]
    column = Column("path", encoder="hierarchy")


class TestWatchGap(EncoderSuite):
    component = components(polyscene_video, "encoder")[0]
    column = Timestamp(encoder="watch_gap")


class TestFriends(EncoderSuite):
    component = components(polyscene_social, "encoder")[0]
    column = Column("item_id", encoder="friends", options={"space": "people"})


class TestTagProfile(EncoderSuite):
    component = components(polyscene_music, "encoder")[0]
    column = Column("item_id", encoder="tag_profile", options={"min_items": 1, "pairs": "train"})

    def context(self, frame: pd.DataFrame, shared: SharedModules, trained: int = 30) -> FitContext:
        """Whoever listens to an artist has given all of its tags."""
        made = super().context(frame, shared, trained)
        tagged = made.tables.interactions.assign(tag=frame["tags"].str.split("|")).explode("tag")
        given = tagged.loc[tagged["tag"] != "", ["user_id", "item_id", "tag"]].astype("str")
        return replace(made, tables=replace(made.tables, extra={"tag_assignments": given}))


@pytest.mark.data
class TestVideo(ScenarioSuite):
    plugin = polyscene_video
    scenario = "video"
    options = {"dataset": "movielens_100k"}


@pytest.mark.data
class TestKg(ScenarioSuite):
    plugin = polyscene_kg
    scenario = "kg"
    options = {"dataset": "kinships"}


@pytest.mark.data
class TestMusic(ScenarioSuite):
    plugin = polyscene_music
    scenario = "music"


@pytest.mark.data
class TestSocial(ScenarioSuite):
    plugin = polyscene_social
    scenario = "social"


@pytest.mark.data
class TestEcommerce(ScenarioSuite):
    plugin = polyscene_ecommerce
    scenario = "ecommerce"
    options = {"households": 60, "min_households": 2}


@pytest.mark.data
class TestListening(EnricherSuite):
    """What people listen to, for the people of ``social``."""

    plugin = polyscene_social
    beside = (polyscene_music,)
    scenarios = {"social": {}, "music": {}}


class TestFacts(EnricherSuite):
    """What a small graph of 20 films, five genres and four directors says of the films of ``video``."""

    plugin = polyscene_kg
    beside = (polyscene_video,)
    scenarios = {"video": {}, "kg": {}}

    @classmethod
    def loaded(cls) -> Lent:
        films = [f"{n}" for n in range(20)]
        facts = [(f"m.{n}", "film.film.genre", f"m.genre{n % 5}") for n in range(20)]
        facts += [(f"m.{n}", "film.film.directed_by", f"m.person{n % 4}") for n in range(20)]
        frame = pd.DataFrame(facts, columns=["head", "relation", "tail"])
        entities = sorted({*frame["head"], *frame["tail"]})
        linked = [one.removeprefix("m.") if one.removeprefix("m.") in films else None for one in entities]
        people = {"user_id": ["u", "v"] * 10, "item_id": films}
        tables = {
            "video": Tables(
                items=pd.DataFrame({"item_id": films, "title": films}), interactions=pd.DataFrame(people)
            ),
            "kg": Tables(
                items=pd.DataFrame(
                    {"item_id": entities, "title": entities, "movielens_1m": linked, "movielens_100k": linked}
                ),
                users=pd.DataFrame({"user_id": entities}),
                interactions=both_directions(frame),
                facts=frame,
            ),
        }
        splits = {name: _every_fifth_pair_held_out(one) for name, one in tables.items()}
        return Lent(tables, splits, {"kg": polyscene_kg.KgConfig(), "video": polyscene_video.VideoConfig()})

    def changed(self, tables: Tables, split: Split) -> Tables:
        """Held-out facts change their tails, in both tables that hold them."""
        if tables.facts is None:
            return super().changed(tables, split)
        held = split.phase_R[::2] != Phase.TRAIN
        facts = tables.facts.assign(tail=tables.facts["tail"].where(~held, "m.genre0"))
        return replace(tables, facts=facts, interactions=both_directions(facts))


def _every_fifth_pair_held_out(tables: Tables) -> Split:
    phase_R = np.where(np.arange(len(tables.interactions)) // 2 % 5, Phase.TRAIN, Phase.TEST).astype(np.int8)
    cold_N, cold_U = (np.zeros(len(frame), bool) for frame in (tables.items, tables.users))
    return Split(phase_R, cold_N, cold_U, "", False, tables.fingerprint())
