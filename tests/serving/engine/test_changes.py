"""What changes an engine: what users did since, and items that come or change."""

from __future__ import annotations

from typing import Any

import pytest

from polyscene.errors import PolysceneError
from polyscene.feedback.events import Impression, Reaction
from polyscene.serving.engine import Engine, Put, Request, Step
from tests.serving.engine.conftest import NAMES
from tests.serving.engine.films_plugin import FILMS
from tests.serving.engine.test_answers import near, one, users_of
from tests.tiny import LIKES, SHOP


def reaction(number: int, name: str, user: str, item: str, **more: Any) -> Reaction:
    return Reaction(f"event{number}", 1.65e9 + number, name, user, item, more.pop("kind", "click"), **more)


def test_what_is_done_is_the_history_that_a_request_could_give(fresh: Engine) -> None:
    nobody = {name: one(fresh, Request(name, "newcomer", k=5)) for name in NAMES}
    for name in NAMES:
        items = fresh.shelves[name].ids[3:12]
        events = [
            reaction(n, name, "newcomer", item, kind="rating", value=3.0 + n % 2) for n, item in enumerate(items)
        ]
        skip = reaction(90, name, "newcomer", items[0], kind="skip")
        judges = fresh.shelves[name].judges  # then a skip is a row as well, of the other class
        ignored = [
            *([] if judges else [skip]),
            reaction(91, name, "newcomer", "no such item"),
            reaction(92, "elsewhere", "newcomer", items[0]),
            Impression("shown", 1.65e9, name, "newcomer", tuple(items), (0.0,) * len(items), "v1", "greedy"),
        ]
        assert fresh.observe([*events, *([skip] if judges else []), *ignored]) == len(events) + judges
        steps = tuple(Step(event.item, event.value, event.time) for event in events)
        steps += (Step(skip.item, fresh.shelves[name].skipped, skip.time),) if judges else ()
        found = one(fresh, Request(name, "newcomer", k=5))
        given = one(fresh, Request(name, "somebody", history=steps, k=5))
        assert (found.items, found.scores) == (given.items, given.scores)
        assert found.user_known
        assert not given.user_known
        assert found.items != nobody[name].items or found.scores != nobody[name].scores
        assert not set(found.items) & set(items) or name == FILMS
    assert {info.name: info.live_users for info in fresh.scenarios()} == dict.fromkeys(NAMES, 1)
    fresh.forget("newcomer")
    for name in NAMES:
        assert one(fresh, Request(name, "newcomer", k=5)) == nobody[name]


def test_what_a_known_user_does_comes_after_what_was_known(fresh: Engine) -> None:
    user, shelf = users_of(fresh, LIKES)[3], fresh.shelves[LIKES]
    before = one(fresh, Request(LIKES, user, k=200))
    item = before.items[0]
    assert fresh.observe([reaction(1, LIKES, user, item)]) == 1
    after = one(fresh, Request(LIKES, user, k=200))
    assert set(after.items) == set(before.items) - {item}
    _, start, stop = shelf.rows_of(user)
    whole = [shelf.ids[row] for row in shelf.events.item_R[start:stop].tolist()] + [item]
    given = one(fresh, Request(LIKES, user, history=tuple(map(Step, whole)), k=200))
    near(given, after)
    other = users_of(fresh, LIKES)[4]
    assert one(fresh, Request(LIKES, other)) == one(fresh, Request(LIKES, other))


def test_unknown_items_of_a_history_are_told_and_passed_over(fresh: Engine) -> None:
    items = fresh.shelves[SHOP].ids
    with_unknown = (Step(items[0]), Step("gone"), Step(items[1]), Step("gone"))
    found = one(fresh, Request(SHOP, history=with_unknown))
    assert found.unknown_items == ("gone",)
    bare = one(fresh, Request(SHOP, history=(Step(items[0]), Step(items[1]))))
    assert (found.items, found.scores) == (bare.items, bare.scores)


def test_items_that_come_and_change_are_served_at_once(fresh: Engine) -> None:
    user, shelf = users_of(fresh, FILMS)[0], fresh.shelves[FILMS]
    before = {name: one(fresh, Request(name, users_of(fresh, name)[0], k=5)) for name in NAMES}
    # Somebody new, whose past holds nothing that changes.
    every = one(fresh, Request(FILMS, "nobody", k=200, view="all"))
    text = shelf.loaded.tables.items["text"].iloc[6]
    new = {"item_id": "new", "text": text, "group": "group 1", "tags": "odd|fresh", "price": 99.5}
    changed = {"item_id": shelf.ids[2], "price": 98.5, "tags": "fresh"}
    fresh.observe([reaction(1, FILMS, "newcomer", shelf.ids[1])])
    assert fresh.put_items(FILMS, [new, changed]) == Put(1, 1)
    assert one(fresh, Request(FILMS, "newcomer")).user_known, "what was done is not forgotten"
    answer = one(fresh, Request(FILMS, "nobody", k=200, view="all"))
    scores = dict(zip(answer.items, answer.scores, strict=True))
    assert set(scores) == {*every.items, "new"}
    assert answer.titles["new"] == text
    for item, score in zip(every.items, every.scores, strict=True):
        if item != shelf.ids[2]:
            assert scores[item] == pytest.approx(score, rel=1e-4, abs=1e-4), "others keep their scores"
    assert scores[shelf.ids[2]] != pytest.approx(dict(zip(every.items, every.scores, strict=True))[shelf.ids[2]])
    assert set(one(fresh, Request(FILMS, user, k=9, view="all", filters={"tags": "fresh"})).items) == {
        "new",
        shelf.ids[2],
    }
    assert one(fresh, Request(FILMS, user, filters={"price": {"min": 99}}, view="all")).items == ("new",)
    assert fresh.similar(FILMS, "new", 30).items
    assert "new" in one(fresh, Request(FILMS, text=text, k=200)).items
    assert fresh.shelves[FILMS].ids[int(fresh.shelves[FILMS].nearest(text)[-1])] in ("new", shelf.ids[6])
    assert fresh.observe([reaction(2, FILMS, "newcomer", "new")]) == 1
    assert "new" not in one(fresh, Request(FILMS, "newcomer", k=200)).items
    for name in NAMES:
        if name != FILMS:
            assert one(fresh, Request(name, users_of(fresh, name)[0], k=5)) == before[name]
    assert fresh.put_items(FILMS, [{**new, "price": 97.0}]) == Put(0, 1)
    assert not one(fresh, Request(FILMS, user, filters={"price": {"min": 99}}, view="all")).items


def test_items_that_do_not_fit_change_nothing(fresh: Engine) -> None:
    user, known = users_of(fresh, FILMS)[0], fresh.shelves[FILMS].ids[0]
    new = {"item_id": "new", "text": "cedar", "group": "group 1", "tags": "odd", "price": 9.5}
    before = one(fresh, Request(FILMS, user, k=200))
    for rows, words in (
        ([], "there is no item"),
        ([{"text": "x"}], "no item_id"),
        ([{**new, "item_id": 5}], "no item_id"),
        ([new, new], "occur twice: new"),
        ([{**new, "colour": "red"}], "no column 'colour'"),
        ([{"item_id": "new", "text": "cedar"}], "column 'group' is missing"),
        ([{**new, "text": " "}], "'text' of 1 items is empty"),
        ([{**new, "price": "cheap"}], "items.price is declared as Number"),
        ([{"item_id": known, "price": "cheap"}], "items.price is declared as Number"),
        ([new, {"item_id": known, "price": "cheap"}], "items.price is declared as Number"),
    ):
        with pytest.raises(PolysceneError, match=words):
            fresh.put_items(FILMS, rows)
        assert one(fresh, Request(FILMS, user, k=200)) == before
    with pytest.raises(PolysceneError, match="no scenario 'filmz'"):
        fresh.put_items("filmz", [new])
