"""A real server and the typed client: recommending, scores, new items, feedback, one user's data."""

from __future__ import annotations

import uuid

import pytest

from polyscene.errors import ConflictError, ServingError
from polyscene.serving.client import Client


def name() -> str:
    return f"user-{uuid.uuid4().hex[:8]}"


def test_the_best_items_of_a_known_user(client: Client) -> None:
    found = client.recommend("books", user="u01", k=5, explain=True)
    assert len(found.items) == 5
    scores = [item.score for item in found.items]
    assert scores == sorted(scores, reverse=True)
    assert (found.scenario, found.user_known, found.policy, found.degraded) == ("books", True, "greedy", [])
    assert found.items[0].title == f"generated {found.items[0].item}"
    assert found.model == client.models().promoted == client.models().serving
    assert [item.item for item in client.recommend("books", user="u01", k=2).items] == [
        item.item for item in found.items[:2]
    ]


def test_every_scenario_by_history_text_and_for_nobody(client: Client) -> None:
    for scenario in ("books", "songs"):
        for asked in (
            {},
            {"history": [{"item": "i01"}, {"item": "i02", "value": 4.0}]},
            {"text": "generated jazz"},
        ):
            found = client.recommend(scenario, k=3, **asked)
            assert len(found.items) == 3
            assert found.scenario == scenario


def test_the_router_chooses_where_no_scenario_is_named(client: Client) -> None:
    found = client.recommend(history=[{"item": "i01"}, {"item": "i02"}], k=2)
    assert found.recognized.keys() == {"books", "songs"}
    assert found.scenario == max(found.recognized, key=lambda name: found.recognized[name])


def test_filters_and_exclusions(client: Client) -> None:
    dear = client.recommend("books", user="u01", k=5, filters={"price": {"min": 9.0}, "group": "group 0"})
    free = client.recommend("books", user="u01", k=5)
    assert {item.item for item in dear.items} < {f"i{n:02}" for n in range(30)}
    without = client.recommend("books", user="u01", k=5, exclude=[free.items[0].item, "no-such-item"])
    assert free.items[0].item not in [item.item for item in without.items]
    assert without.unknown_items == ["no-such-item"]


def test_scores_are_those_of_the_ranking(client: Client) -> None:
    ranked = client.recommend("songs", user="u02", k=4)
    asked = [item.item for item in ranked.items][::-1]
    scored = client.score("songs", [*asked, "nowhere"], user="u02")
    assert [item.item for item in scored.items] == asked
    assert [item.score for item in scored.items] == pytest.approx(
        [one.score for one in ranked.items][::-1], rel=1e-5
    )
    assert scored.unknown_items == ["nowhere"]


def test_items_like_one(client: Client) -> None:
    found = client.similar("songs", "i03", k=4, exclude=["i04"])
    assert len(found.items) == 4
    assert not {"i03", "i04"} & {item.item for item in found.items}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scenario": "boks", "user": "u01"}, "did you mean 'books'"),
        ({"scenario": "books", "filters": {"colour": "red"}}, "colour"),
        ({"scenario": "books", "view": "sideways"}, "sideways"),
        ({"scenario": "books", "text": "x", "history": []}, "give one of them"),
    ],
)
def test_what_cannot_be_answered_says_why(asked: dict, words: str, client: Client) -> None:
    with pytest.raises(ServingError, match=words):
        client.recommend(**asked)


def test_an_item_that_arrives_is_served_in_the_next_request(client: Client) -> None:
    item = f"new-{uuid.uuid4().hex[:8]}"
    row = {"item_id": item, "text": "generated jazz piano", "title": "Fresh", "group": "group 0", "price": 5.0}
    put = client.put_items("books", [row])
    assert (put.new, put.changed) == (1, 0)
    ranked = client.recommend("books", user="u01", k=1000)
    assert {one.item: one.title for one in ranked.items}[item] == "Fresh"
    dear = {"price": {"min": 1e6}}
    assert client.recommend("books", user="u01", filters=dear).items == []
    assert client.put_items("books", [row | {"price": 2e6}]).changed == 1
    assert [one.item for one in client.recommend("books", user="u01", filters=dear).items] == [item]
    client.put_items("books", [row])


def test_items_that_do_not_fit_change_nothing(client: Client) -> None:
    before = {one.name: one.items for one in client.scenarios()}
    with pytest.raises(ServingError):
        client.put_items(
            "books", [{"item_id": "fits", "text": "a", "group": "b", "price": 1.0}, {"item_id": "not"}]
        )
    assert {one.name: one.items for one in client.scenarios()} == before
    assert client.score("books", ["fits"], user="u01").unknown_items == ["fits"]


def test_feedback_makes_a_stranger_known_and_is_kept_once(client: Client) -> None:
    user = name()
    before = client.recommend("books", user=user, k=3)
    assert not before.user_known
    clicked = [
        {"event_id": f"{user}-{n}", "kind": "click", "scenario": "books", "user": user, "item": f"i0{n}",
         "impression": before.impression}
        for n in (1, 2)
    ]  # fmt: skip
    for _ in range(2):
        assert client.feedback(clicked).event_ids == [f"{user}-1", f"{user}-2"]
    after = client.recommend("books", user=user, k=3)
    assert after.user_known
    given = client.recommend("books", history=[{"item": "i01"}, {"item": "i02"}], k=3)
    assert {item.item for item in after.items}.isdisjoint({"i01", "i02"})
    assert len(given.items) == 3
    events = client.export_user(user).events
    assert [event["kind"] for event in events] == ["impression", "click", "click", "impression"]
    assert events[0]["items"] == [item.item for item in before.items]
    assert events[0]["propensities"] == [1.0] * 3
    assert events[0]["model"] == before.model


def test_an_event_id_stands_for_one_event(client: Client) -> None:
    user = name()
    event = {"event_id": user, "kind": "rating", "scenario": "books", "user": user, "item": "i01", "value": 4}
    client.feedback([event])
    with pytest.raises(ConflictError, match="stands for another event"):
        client.feedback([event | {"value": 5}, event | {"event_id": f"{user}-2"}])
    assert len(client.export_user(user).events) == 1


def test_a_user_can_be_forgotten(client: Client) -> None:
    user = name()
    client.feedback([{"kind": "click", "scenario": "books", "user": user, "item": "i01"}])
    assert client.recommend("books", user=user, k=1).user_known
    assert client.erase_user(user).events == 2
    assert client.export_user(user).events == []
    assert not client.recommend("books", user=user, k=1).user_known
