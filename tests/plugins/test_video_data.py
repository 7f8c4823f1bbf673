"""MovieLens as it comes out of the packages that carry it."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene import DataError, Phase, Tables
from polyscene.data.access import DataAccess
from polyscene.data.splits.base import SplitConfig
from polyscene.data.splits.leave_one_out import LeaveOneOut
from polyscene_video import VideoConfig
from polyscene_video.data import load

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def large(access: DataAccess) -> Tables:
    return load(VideoConfig(), access)


@pytest.fixture(scope="module")
def small(access: DataAccess) -> Tables:
    return load(VideoConfig(dataset="movielens_100k"), access)


def test_movielens_1m_has_the_published_size(large: Tables):
    assert (len(large.interactions), len(large.users), len(large.items)) == (1_000_209, 6_040, 3_706)
    assert large.interactions["rating"].mean() == pytest.approx(3.5816, abs=1e-4)
    assert dict(large.dropped) == {"prefix '1m_' of viewer ids": 6040, "films that nobody rated": 177}


def test_movielens_100k_has_the_published_size(small: Tables):
    assert (len(small.interactions), len(small.users), len(small.items)) == (100_000, 943, 1_682)
    assert small.interactions["rating"].mean() == pytest.approx(3.52986, abs=1e-5)
    assert not small.dropped


def test_texts_say_title_year_and_genres(large: Tables, small: Tables):
    expected = "Toy Story (1995). Animation, Children's, Comedy"
    assert large.items.set_index("item_id").loc["Toy Story (1995)", "text"] == expected
    assert small.items.set_index("item_id").loc["1", "text"] == expected
    # Its year stands in the title, and the source's year column says 'V'.
    third = small.items.set_index("item_id").loc["1412"]
    assert third["title"] == "Land Before Time III: The Time of the Great Giving (1995)"
    assert np.isnan(third["year"])


def test_both_releases_use_the_same_words_for_viewers(large: Tables, small: Tables):
    assert large.users["user_id"].iloc[41] == "42"
    assert set(large.users["age_group"]) == set(small.users["age_group"]) == {1, 18, 25, 35, 45, 50, 56}
    assert set(large.users["gender"]) == set(small.users["gender"]) == {"F", "M"}


def test_leave_one_out_breaks_ties_by_file_order(large: Tables):
    split = LeaveOneOut(SplitConfig()).split(large)
    assert [split.count(phase) for phase in (Phase.VALIDATION, Phase.TEST)] == [6040, 6040]
    rows = large.interactions
    for viewer in ("1", "42", "6040"):
        own = np.flatnonzero(rows["user_id"] == viewer)
        own = own[np.argsort(rows["timestamp"].to_numpy()[own], kind="stable")]
        assert split.phase_R[own[-2:]].tolist() == [Phase.VALIDATION, Phase.TEST]
        assert (split.phase_R[own[:-2]] == Phase.TRAIN).all()
    # baselines.md, protocol A: for 42 % of viewers the order of the last two films is that of the file.
    time_R = rows["timestamp"].to_numpy()
    last, before = ({} for _ in range(2))
    for times, phase in ((last, Phase.TEST), (before, Phase.VALIDATION)):
        chosen = split.phase_R == phase
        times.update(zip(rows["user_id"][chosen], time_R[chosen], strict=True))
    assert np.mean([last[viewer] == before[viewer] for viewer in last]) == pytest.approx(0.42, abs=0.005)


def test_an_unknown_data_set_is_named(access: DataAccess):
    with pytest.raises(DataError, match="no loader for the data set 'movielens_10m'") as caught:
        load(VideoConfig(dataset="movielens_10m"), access)
    assert "movielens_1m, movielens_100k" in str(caught.value)


def test_a_folder_with_a_broken_line_is_refused(access: DataAccess, tmp_path):
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    for path in access.path("movielens_100k").iterdir():
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(text + "oops\n" if path.suffix == ".inter" else text, encoding="utf-8")
    broken = DataAccess(root=tmp_path, cache=access.cache, datasets=access.datasets)
    with pytest.raises(DataError, match=r"ml-100k\.inter"):
        load(VideoConfig(dataset="movielens_100k"), broken)
