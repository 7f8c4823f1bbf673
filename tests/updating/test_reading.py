"""What becomes a row, and what is passed over and counted."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.feedback import Impression, Reaction, open_log
from polyscene.serving.reactions.reading import Feedback, Row, read_feedback
from polyscene.serving.reactions.rows import NewRows, rows_of
from polyscene.updating.joining import join
from tests.tiny import ADS, LIKES, SHOP, tiny_model

NOW = 1_800_000_000.0
KINDS = ("click", "purchase", "rating", "view")


def read(tmp_path: Path, events: list[Any], after: dict[str, int] | None = None) -> dict[str, Feedback]:
    with closing(open_log(str(tmp_path / "feedback.db"))) as log:
        log.append(events)
        return read_feedback(log, after or {SHOP: 0, ADS: 0}, log.last(), KINDS)


def reaction(number: int, kind: Any = "click", **given: Any) -> Reaction:
    values: dict[str, Any] = {"time": NOW - 1000 + number, "scenario": SHOP, "user": "u01", "item": "i01"} | given
    return Reaction(f"e{number}", kind=kind, **values)


def test_a_cursor_is_kept_for_each_scenario_and_unknown_ones_are_told(tmp_path: Path) -> None:
    events = [reaction(1), reaction(2, scenario=ADS), reaction(3, scenario="nowhere"), reaction(4)]
    found = read(tmp_path, events, {SHOP: 1, ADS: 2})
    assert {name: [row.number for row in one.rows] for name, one in found.items()} == {SHOP: [4], "nowhere": [3]}
    assert found[SHOP].last == 4


def test_what_is_told_twice_is_one_row_with_the_rating(tmp_path: Path) -> None:
    events = [
        reaction(1, impression="list"),
        reaction(2, "rating", value=4.0, impression="list"),
        reaction(3, time=NOW),
        reaction(4, time=NOW + 0.5),
        reaction(5, time=NOW + 1),
        reaction(6, "skip", impression="list"),
        reaction(7, user="anonymous"),
        reaction(8, user="u02", impression="other"),
    ]
    found = read(tmp_path, events)[SHOP]
    assert [(row.number, row.kind, row.value) for row in found.rows] == [
        (1, "rating", 4.0),
        (3, "click", None),
        (5, "click", None),
        (6, "skip", None),
        (8, "click", None),
    ]
    assert found.passed == {"told twice": 2, "nobody knows whose": 1}
    assert found.brought["list", "i01"] == {"click", "rating", "skip"}


def test_lists_are_read_with_their_numbers(tmp_path: Path) -> None:
    shown = Impression("list", NOW, SHOP, "u01", ("i01",), (0.5,), "v1", "greedy", (1.0,))
    assert read(tmp_path, [reaction(1), shown])[SHOP].shown == [(2, shown)]


def made(name: str, events: list[Reaction], **given: Any) -> tuple[NewRows, Counter[str], Any]:
    model, loaded, _ = tiny_model((name,))
    passed: Counter[str] = Counter()
    found = [
        Row(number, one.user, one.item, one.kind, one.value, one.time) for number, one in enumerate(events, 1)
    ]
    task, one = model.main_task(name), loaded.scenarios[name]
    return rows_of(found, one, task, passed, people=False, now=NOW, **given), passed, one


def test_rows_of_a_task_that_ranks() -> None:
    rows, passed, loaded = made(
        SHOP,
        [
            reaction(1),
            reaction(2, item="nothing"),
            reaction(3, "skip"),
            reaction(4, "rating", value=1.0),
            reaction(5, "rating", value=5.0, user="zoe"),
            reaction(6, time=0.0),
            reaction(7, time=NOW + 1e7),
            reaction(8, user="zoe"),
        ],
        positive_from=3.0,
    )
    assert +passed == {"unknown item": 1, "skip: its task knows no negatives": 1, "rated below 3": 1}
    assert rows.number_X.tolist() == [1, 5, 6, 7, 8]
    middle = float(loaded.events.value_R.median())
    assert rows.value_X.tolist() == [middle, 5.0, middle, middle, middle]
    # The order of the log is right, whatever clocks say.
    assert rows.time_X.tolist() == [NOW - 999, NOW - 995, NOW - 995, NOW - 995, NOW - 992]
    assert (rows.mended, rows.rated, rows.newcomers) == (2, False, ["zoe"])
    users = len(loaded.tables.users)
    assert rows.user_X.tolist() == [1, users, 1, 1, users]


def test_a_task_that_judges_learns_from_skips() -> None:
    rows, passed, _ = made(ADS, [reaction(1, item="a01"), reaction(2, "skip", item="a02")])
    assert rows.value_X.tolist() == [1.0, 0.0]
    assert not +passed


def test_rows_that_the_data_holds_are_not_learned_again() -> None:
    _, loaded, _ = tiny_model((SHOP,))
    row = loaded.scenarios[SHOP].tables.interactions.iloc[7]
    again = reaction(1, user=str(row["user_id"]), item=str(row["item_id"]), time=float(row["timestamp"]))
    rows, passed, _ = made(SHOP, [again, reaction(2)])
    assert rows.number_X.tolist() == [2]
    assert passed["in the data already"] == 1


@pytest.mark.parametrize("name", [SHOP, LIKES])
def test_new_rows_come_after_those_of_the_data(name: str) -> None:
    reactions = [reaction(number, user=f"u{number % 5:02}") for number in range(1, 21)]
    rows, _, loaded = made(name, [*reactions, reaction(21, user="zoe")])
    joined = join(loaded, rows, np.arange(len(rows)) >= 16, ["ann", "zoe"])
    served, learned, users = joined.served, joined.learned, len(loaded.tables.users)
    assert joined.loaded.tables.users["user_id"].tolist()[users:] == ["zoe", "ann"]
    for laid in (served, learned):
        start_UP = laid.events.start_UP
        assert len(laid.events.item_R) == len(loaded.events.item_R) + len(rows)
        for user in (1, 3, users):
            own = [int(number) for number, who in zip(rows.number_X, rows.user_X, strict=True) if who == user]
            numbers = laid.number_R[start_UP[user, 0] : start_UP[user, 3]].tolist()
            assert [number for number in numbers if number] == own
            assert numbers == sorted(numbers), "old rows first"
            held = laid.number_R[start_UP[user, 2] : start_UP[user, 3]].tolist()
            assert held == [number for number in own if number > 16]
        assert int(laid.new_R.sum()) == 16
        assert int(laid.old_R.sum()) == loaded.split.count(Phase.TRAIN)
        replayed = laid.replayed(50, seed=0)
        assert int(replayed.sum()) == 50
        assert not (replayed & ~laid.old_R).any(), "only what training saw is replayed"
        assert not torch.equal(replayed, laid.replayed(50, seed=1))
    # What training never saw is the past in serving; where order means nothing it keeps no company in learning.
    kept = loaded.split.count(Phase.VALIDATION) + loaded.split.count(Phase.TEST) + loaded.split.count(Phase.COLD)
    behind = [int((laid.events.start_UP[:, -1] - laid.events.start_UP[:, 3]).sum()) for laid in (served, learned)]
    assert behind == [0, 0 if loaded.events.ordered else kept]
