"""Last.fm listening as the plugin loads it: counts, strict tags, the publisher's files, the archive."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polyscene import DataError, DataNotAvailable, Phase, Tables
from polyscene.data.splits import FractionConfig, Given, GivenConfig, RandomPerUser
from polyscene_music import SCENARIO, MusicConfig, polyscene_enrich
from polyscene_music.facts import artist_graph
from polyscene_music.features import tag_counts
from tests.plugins.small import context, data_access

CONFIG = MusicConfig("lastfm_2k")


@pytest.fixture(scope="module")
def tables(shared_data, declared, cache_dir) -> Tables:
    return SCENARIO.load(CONFIG, data_access(declared, shared_data, cache_dir))


class TestRealData:
    def test_counts(self, tables):
        assert len(tables.interactions) == 92_834
        assert len(tables.items) == 17_632
        assert len(tables.users) == 1_892
        assert len(tables.extra["tag_assignments"]) == 186_478
        assert tables.value_R is not None
        assert tables.value_R.min() >= 1
        assert tables.time_R is None

    def test_text_is_the_name_alone(self, tables):
        assert (tables.items["text"] == tables.items["title"]).all()
        assert not tables.items["text"].str.contains("tags:").any()

    def test_terms_are_told(self, tables):
        assert "non-commercial" in tables.sources[0]

    def test_published_split_covers_every_row(self, tables, shared_data):
        path = str(shared_data / "splits" / "lastfm_music_split.parquet")
        split = Given(GivenConfig(path=path)).split(tables)
        assert [split.count(phase) for phase in (Phase.TRAIN, Phase.VALIDATION, Phase.TEST)] == [74264, 9285, 9285]
        cold = Given(GivenConfig(path=path, cold_column="cold_item")).split(tables)
        assert cold.cold_N.sum() == 461
        assert cold.count(Phase.COLD) == 5159 + 642 + 679

    @pytest.mark.parametrize("scope", ["not_held_out", "train"])
    def test_strict_tags_hold_no_held_out_pair(self, tables, scope):
        split = RandomPerUser(FractionConfig(cold_items=0.025)).split(tables)
        train = tables.interactions[split.phase_R == Phase.TRAIN]
        held = tables.interactions[split.phase_R != Phase.TRAIN]
        counts = tag_counts(context(np.ones(1), train_interactions=train, tables=tables), scope)
        assigned = tables.extra["tag_assignments"]
        held_pairs = pd.MultiIndex.from_frame(held[["user_id", "item_id"]].astype("str"))
        given_by_held = pd.MultiIndex.from_frame(assigned[["user_id", "item_id"]]).isin(held_pairs)
        assert given_by_held.sum() > 10_000, "without held-out pairs among the tags this test says nothing"
        allowed = assigned[~given_by_held].drop_duplicates(["user_id", "item_id", "tag"])
        most = allowed.groupby(["item_id", "tag"]).size()
        found = counts.set_index(["item_id", "tag"])["listeners"]
        assert (found <= most.reindex(found.index, fill_value=0)).all()
        if scope == "not_held_out":
            assert found.sum() == most.sum()
        cold = set(tables.item_ids[split.cold_N])
        assert bool(cold & set(counts["item_id"])) == (scope == "not_held_out")


FILES = {
    "user_artists.dat": "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n10\t51\t7\n3\t53\t1\n",
    "artists.dat": (
        "id\tname\turl\tpictureURL\n"
        '51\tSigur "Rós\thttp://x/51\thttp://p/51\n'
        "52\tBjörk\thttp://x/52\t\n"
        "53\tNA\thttp://x/53\thttp://p/53\n"
    ),
    "tags.dat": "tagID\ttagValue\n1\tmétal\n2\trock 'n' roll\n",
    "user_taggedartists.dat": (
        "userID\tartistID\ttagID\tday\tmonth\tyear\n2\t52\t2\t1\t4\t2009\n2\t51\t1\t1\t4\t2009\n3\t53\t9\t1\t4\t2009\n"
    ),
    "user_friends.dat": "userID\tfriendID\n2\t10\n10\t2\n",
}


def publish(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode("latin-1" if name == "tags.dat" else "utf-8"))
    return folder


def prepare(folder: Path) -> None:
    folder.mkdir(parents=True)
    listening = [("2", "51", 13883), ("2", "52", 11690), ("10", "51", 7), ("3", "53", 1)]
    tags = [("2", "51", "métal"), ("2", "52", "rock 'n' roll"), ("3", "53", None)]
    titles = [("53", "NA"), ("51", 'Sigur "Rós'), ("52", "Björk")]
    frames = {
        "interactions": pd.DataFrame(listening, columns=["user_id", "item_id", "weight"]),
        "items": pd.DataFrame(titles, columns=["item_id", "title"]),
        "tag_assignments": pd.DataFrame(tags, columns=["user_id", "item_id", "tag"]),
        "social": pd.DataFrame([("2", "10"), ("10", "2")], columns=["user_id", "friend_id"]),
    }
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")


class TestForms:
    def test_published_files_equal_prepared_ones(self, tmp_path, declared):
        publish(tmp_path / "published" / "lastfm-2k")
        prepare(tmp_path / "prepared" / "lastfm-2k")
        published, prepared = (
            SCENARIO.load(CONFIG, data_access(declared, tmp_path / form, tmp_path))
            for form in ("published", "prepared")
        )
        pd.testing.assert_frame_equal(published.items, prepared.items)
        pd.testing.assert_frame_equal(published.interactions, prepared.interactions)
        assert published.fingerprint() == prepared.fingerprint()
        assert published.items["text"].tolist() == ['Sigur "Rós', "Björk", "NA"]
        assert published.extra["tag_assignments"]["tag"].tolist() == ["métal", "rock 'n' roll"]
        assert published.dropped == {"tag assignments without a known tag": 1}

    def test_a_broken_line_is_named(self, tmp_path, declared):
        folder = publish(tmp_path / "lastfm-2k")
        (folder / "user_artists.dat").write_text("userID\tartistID\tweight\n2\t51\n")
        with pytest.raises(DataError, match=r"user_artists\.dat.*\n.*line 2"):
            SCENARIO.load(CONFIG, data_access(declared, tmp_path, tmp_path))

    def test_missing_data_says_how_to_get_it(self, tmp_path, declared):
        with pytest.raises(DataNotAvailable, match="data not available") as error:
            SCENARIO.load(CONFIG, data_access(declared, tmp_path, tmp_path))
        assert "lastfm-2k" in error.value.fix
        assert "hetrec2011-lastfm-2k.zip" in error.value.fix


class TestArchive:
    @pytest.fixture
    def served(self, tmp_path, declared):
        """The publisher's archive on a local file server, and the declaration that points to it."""
        folder = publish(tmp_path / "site" / "files")
        archive = tmp_path / "site" / "lastfm.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("readme.txt", "read me")
            for name in FILES:
                file.write(folder / name, name)
        handler = functools.partial(QuietHandler, directory=str(tmp_path / "site"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/lastfm.zip"
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        yield {**declared, "lastfm_2k": replace(declared["lastfm_2k"], url=url, sha256=digest)}, server
        server.shutdown()
        server.server_close()
        thread.join()

    def test_is_fetched_once_and_cached(self, served, tmp_path):
        declarations, server = served
        access = data_access(declarations, None, tmp_path / "cache", offline=False)
        first = SCENARIO.load(CONFIG, access)
        assert len(first.interactions) == 4
        assert "127.0.0.1" in first.sources[0]
        server.shutdown()
        assert SCENARIO.load(CONFIG, access).fingerprint() == first.fingerprint()

    def test_another_digest_is_refused(self, served, tmp_path):
        declarations, _ = served
        declarations = {"lastfm_2k": replace(declarations["lastfm_2k"], sha256="0" * 64)}
        with pytest.raises(DataError, match="sha256"):
            SCENARIO.load(CONFIG, data_access(declarations, None, tmp_path / "cache", offline=False))

    def test_a_dead_server_is_plain(self, served, tmp_path):
        declarations, _ = served
        gone = {"lastfm_2k": replace(declarations["lastfm_2k"], url="http://127.0.0.1:9/lastfm.zip")}
        with pytest.raises(DataNotAvailable, match="does not answer"):
            SCENARIO.load(CONFIG, data_access(gone, None, tmp_path / "cache", offline=False))


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_facts_about_artists_enrich_them_where_they_are_at_hand(tmp_path: Path) -> None:
    assert artist_graph(tmp_path, asked=False) == (None, None)
    with pytest.raises(DataError, match=r"no kg.parquet and no kg_link.parquet"):
        artist_graph(tmp_path, asked=True)
    facts = [("7", "music.artist.origin", "city"), ("8", "music.artist.origin", "city")]
    pd.DataFrame(facts, columns=["head", "relation", "tail"]).to_parquet(tmp_path / "kg.parquet")
    links = pd.DataFrame({"item_id": ["1", "2", "gone"], "entity": ["7", "8", "9"]})
    links.to_parquet(tmp_path / "kg_link.parquet")
    found, linked = artist_graph(tmp_path, asked=True)
    tables = Tables(
        items=pd.DataFrame({"item_id": ["1", "2", "3"], "title": ["Air", "Daft Punk", "Cher"]}),
        interactions=pd.DataFrame({"user_id": ["a", "b"], "item_id": ["1", "3"]}),
        facts=found,
        extra={"entities": linked},
    )
    options = {"music": MusicConfig(enrich="verbalized")}
    made = polyscene_enrich("music", tables, options)
    assert made is not None
    assert made.items.to_dict("list") == {
        "item_id": ["1", "2"],
        "graph_facts": ["same place of origin as Daft Punk", "same place of origin as Air"],
    }
    assert "2 of 3 artists linked to 2 facts" in made.note
    assert polyscene_enrich("social", tables, options) is None
    assert polyscene_enrich("music", Tables(items=tables.items, interactions=tables.interactions), options) is None
