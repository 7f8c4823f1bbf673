"""Answers: those of the command for known users, alone or among others, and nothing is changed by asking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from polyscene.errors import PolysceneError, ServingError
from polyscene.evaluation.recommend import recommend_from
from polyscene.serving.engine import Answer, Engine, Request, Step
from polyscene.training.restore import RestoredRun
from tests.serving.engine.conftest import NAMES
from tests.serving.engine.films_plugin import FILMS
from tests.tiny import ADS, LIKES, PEOPLE, SHOP


def users_of(engine: Engine, name: str) -> list[str]:
    return list(engine.shelves[name].users)


def one(engine: Engine, request: Request, **options: Any) -> Answer:
    [answer] = engine.answer([request], **options)
    assert isinstance(answer, Answer), answer
    return answer


def mixed(engine: Engine) -> list[Request]:
    """Requests of every kind and scenario, no two of which are alike."""
    requests: list[Request] = []
    for name in NAMES:
        first, second, *_ = users_of(engine, name)
        items = engine.shelves[name].ids
        requests += [
            Request(name, first, k=4),
            Request(name, "nobody", k=2),
            Request(name, second, k=30, exclude_seen=False),
            Request(name, history=(Step(items[3], 2.0, 1.6e9), Step(items[5])), k=6, exclude=(items[1],)),
        ]
    requests += [
        Request(FILMS, text="cedar and birch", k=5),
        Request(FILMS, users_of(engine, FILMS)[3], view="all", filters={"tags": "odd"}),
        Request(FILMS, users_of(engine, FILMS)[4], filters={"price": {"max": 10}}, explain=True),
        Request(None, users_of(engine, ADS)[2]),
    ]
    return requests


def near(found: Answer | PolysceneError, expected: Answer | PolysceneError) -> None:
    """Equal but for rounding, which may swap neighbors."""
    assert isinstance(found, Answer)
    assert isinstance(expected, Answer)
    assert found.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-4)
    by_item = dict(zip(expected.items, expected.scores, strict=True))
    differing = [item for item in found.items if item not in by_item]
    assert len(differing) <= 1 or not found.items
    for item, score in zip(found.items, found.scores, strict=True):
        assert by_item.get(item, expected.scores[-1]) == pytest.approx(score, rel=1e-4, abs=1e-4)
    bare = {"items": (), "scores": (), "titles": {}, "shares": (), "recognized": {}}
    assert replace(found, **bare) == replace(expected, **bare)


@pytest.mark.parametrize("name", NAMES)
def test_known_users_get_what_the_command_gives_bit_by_bit(name: str, engine: Engine, run: RestoredRun) -> None:
    user = users_of(engine, name)[7]
    expected = recommend_from(run, name, user, 8)
    found = one(engine, Request(name, user, k=8, explain=True))
    assert list(found.items) == expected.items
    assert list(found.scores) == expected.scores
    assert found.user_known
    assert found.model == "v1"
    assert {item: expected.titles[item] for item in found.items if item in expected.titles} == found.titles
    assert (list(found.shares) or [{}] * 8) == expected.shares
    assert bool(found.shares) == (name in (SHOP, PEOPLE, FILMS))


def test_a_text_gets_what_the_command_gives(engine: Engine, run: RestoredRun) -> None:
    expected = recommend_from(run, FILMS, None, 8, text="cedar and birch")
    found = one(engine, Request(FILMS, text="cedar and birch", k=8))
    assert (list(found.items), list(found.scores)) == (expected.items, expected.scores)
    assert not found.user_known
    assert found != one(engine, Request(FILMS, text="valley of jade", k=8))


def test_a_mixed_call_is_one_pass_and_answers_are_those_of_each_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, calls = mixed(engine), {"sequence": 0, "bank": 0}
    alone = [one(engine, request) for request in requests]

    def counted(key: str, function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[key] += 1
            return function(*arguments, **options)

        return call

    model = engine.retriever.model
    monkeypatch.setattr(model.sequence, "last", counted("sequence", model.sequence.last))
    monkeypatch.setattr(model.user_bank, "forward", counted("bank", model.user_bank.forward))
    together = engine.answer(requests)
    assert calls == {"sequence": 1, "bank": 1}
    order = torch.randperm(len(requests), generator=torch.Generator().manual_seed(0)).tolist()
    shuffled = engine.answer([requests[place] for place in order])
    for place, expected in enumerate(alone):
        near(together[place], expected)
        near(shuffled[order.index(place)], expected)


def test_asking_changes_nothing(engine: Engine) -> None:
    model = engine.retriever.model

    def state() -> dict[str, Tensor]:
        buffers = {
            f"{name}.{key}": value
            for name, module in model.named_modules()
            for key, value in module.named_buffers("", False)
        }
        catalogues = {name: one.all() for name, one in engine.retriever.catalogues.items()}
        everything = model.state_dict() | buffers | catalogues
        # A missing number is not equal to itself.
        return {key: one.nan_to_num(nan=-7.5).clone() for key, one in everything.items()}

    before, first = state(), engine.answer(mixed(engine))
    item = engine.shelves[SHOP].ids[0]
    engine.similar(SHOP, item)
    engine.score(Request(SHOP), [item])
    assert engine.answer(mixed(engine)) == first
    after = state()
    assert before.keys() == after.keys()
    assert [key for key in before if not torch.equal(before[key], after[key])] == []
    assert not any(shelf.live for shelf in engine.shelves.values())


def test_a_mistake_concerns_its_request_alone(engine: Engine) -> None:
    good, item = Request(SHOP, users_of(engine, SHOP)[0]), engine.shelves[SHOP].ids[0]
    bad = {
        "there is no scenario 'shopp'": Request("shopp"),
        "has no view 'new'": Request(SHOP, view="new"),
        "no column 'colour'": Request(SHOP, filters={"colour": "red"}),
        "holds numbers": Request(SHOP, filters={"price": "cheap"}),
        "holds labels": Request(SHOP, filters={"group": {"min": 1}}),
        "have no text": Request(SHOP, text="cedar"),
        "no past, and no text": Request(None, "nobody"),
    }
    found = engine.answer([good, *bad.values(), good])
    for words, error in zip(bad, found[1:-1], strict=True):
        assert isinstance(error, PolysceneError), words
        assert words in str(error)
        assert error.where
        assert error.fix
    near(found[0], one(engine, good))
    assert found[-1] == found[0]
    assert isinstance(engine.answer([Request(ADS, text="cedar")])[0], PolysceneError)
    wrong: list[dict[str, Any]] = [
        {"k": 0},
        {"k": 10**6},
        {"k": True},
        {"text": " "},
        {"text": "x", "history": ()},
    ]
    for options in wrong:
        with pytest.raises(ServingError):
            Request(SHOP, **options)
    for step in (Step(item, float("nan")), Step(item, time=float("inf")), Step(item, "5")):  # type: ignore[arg-type]
        with pytest.raises(ServingError, match="finite"):
            Request(SHOP, history=(step,))


def test_filters_leave_what_meets_all_of_them(engine: Engine, run: RestoredRun) -> None:
    items: Any = run.loaded.scenarios[FILMS].tables.items.set_index("item_id")

    def found(**filters: Any) -> set[str]:
        return set(one(engine, Request(FILMS, "nobody", k=30, filters=filters)).items)

    assert found() == set(items.index)
    group = items["group"].iloc[0]
    assert found(group=group) == set(items.index[items["group"] == group]) != set(items.index)
    assert found(tags="third") == set(items.index[items["tags"].str.contains("third")])
    assert found(tags=["third", "even"]) == set(items.index[items["tags"].str.contains("third|even")])
    assert found(tags=[]) == set()
    assert found(price={"min": 5, "max": 10}) == set(items.index[items["price"].between(5, 10)])
    least = set(items.index[items["price"] >= 0])
    assert found(price={"min": 0}) == least != set(items.index), "a missing price meets nothing"
    assert found(shelf=3) == set(items.index[items["shelf"] == 3])
    assert found(tags="odd", price={"max": 9.5}) == set(
        items.index[items["tags"].str.contains("odd") & (items["price"] <= 9.5)]
    )
    assert found(group="of another world") == set()


def test_what_was_seen_and_excluded_is_left_out(engine: Engine) -> None:
    for name in NAMES:
        shelf = engine.shelves[name]
        user = users_of(engine, name)[1]
        _, start, stop = shelf.rows_of(user)
        seen = {shelf.ids[item] for item in shelf.events.item_R[start:stop].tolist()}
        every = set(one(engine, Request(name, user, k=200, exclude_seen=False)).items)
        new = set(one(engine, Request(name, user, k=200, exclude_seen=True)).items)
        own = {user} if name == PEOPLE else set()
        assert every == set(shelf.ids) - own
        assert new == every - seen
        out = (shelf.ids[2], shelf.ids[9], "no such item")
        answer = one(engine, Request(name, user, k=200, exclude_seen=False, exclude=out))
        assert set(answer.items) == every - set(out)
        assert answer.unknown_items == ("no such item",)


def test_views_ask_differently(engine: Engine) -> None:
    user = users_of(engine, FILMS)[2]
    new, every, first = (one(engine, Request(FILMS, user, k=30, view=view)) for view in ("new", "all", None))
    assert first == new
    assert set(new.items) < set(every.items)
    together = engine.answer([Request(FILMS, user, k=30, view=view) for view in ("all", "new", "all")])
    for found, expected in zip(together, (every, new, every), strict=True):
        near(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_a_full_ranking(name: str, engine: Engine) -> None:
    user = users_of(engine, name)[5]
    every = one(engine, Request(name, user, k=200, exclude_seen=False))
    items = list(every.items[::3])
    found = engine.score(Request(name, user, k=1), ["no such item", *items])
    assert found.items == tuple(items)
    assert found.scores == every.scores[::3]
    assert found.unknown_items == ("no such item",)
    assert found.user_known
    assert found.model == "v1"


def test_similar_items_are_the_nearest_vectors(engine: Engine) -> None:
    for name in NAMES:
        shelf = engine.shelves[name]
        x_Nd = torch.nn.functional.normalize(engine.retriever.catalogues[name].all(), dim=-1)
        cosine_N = x_Nd @ x_Nd[4]
        found = engine.similar(name, shelf.ids[4], 7, exclude=(shelf.ids[0],))
        assert not {shelf.ids[4], shelf.ids[0]} & set(found.items)
        kept_N = torch.arange(len(cosine_N)) * 0 + 1.0
        kept_N[[0, 4]] = torch.nan
        best = torch.where(kept_N == 1, cosine_N, -2.0).topk(7).values
        assert found.scores == pytest.approx(best.tolist(), abs=1e-6)
        assert engine.item_vectors(name, [shelf.ids[4]]).shape == (1, x_Nd.shape[1])
    odd = engine.similar(FILMS, engine.shelves[FILMS].ids[0], 30, filters={"tags": "odd"})
    assert 0 < len(odd.items) < 16
    with pytest.raises(ServingError, match="no item 'nothing'"):
        engine.similar(SHOP, "nothing")
    with pytest.raises(ServingError, match="k is 0"):
        engine.similar(SHOP, engine.shelves[SHOP].ids[0], 0)


def test_the_router_chooses_where_no_scenario_is_named(engine: Engine) -> None:
    people, likes = engine.shelves[PEOPLE], engine.shelves[LIKES]
    answer = one(engine, Request(None, history=tuple(Step(item) for item in people.ids[:4])))
    assert answer.scenario == PEOPLE
    assert list(answer.recognized) == [PEOPLE], "nobody else knows these ids"
    shared = one(engine, Request(None, history=tuple(Step(item) for item in likes.ids[:4])))
    assert set(shared.recognized) == {LIKES, SHOP, FILMS}
    assert shared.scenario == max(shared.recognized, key=lambda name: shared.recognized[name])
    assert replace(shared, recognized={}) == one(
        engine, Request(shared.scenario, history=tuple(Step(item) for item in likes.ids[:4]))
    )
    said = one(engine, Request(None, text="cedar"))
    assert list(said.recognized) == [FILMS]


def test_policies_get_states_and_vectors(engine: Engine) -> None:
    requests = [Request(SHOP, users_of(engine, SHOP)[0], k=3), Request(ADS, users_of(engine, ADS)[0], k=2)]
    for request, answer in zip(requests, engine.answer(requests, vectors=True), strict=True):
        assert isinstance(answer, Answer)
        assert answer.vectors is not None
        assert request.scenario is not None
        assert answer.vectors.state_d.shape == (16,)
        torch.testing.assert_close(
            answer.vectors.item_Kd, engine.item_vectors(request.scenario, answer.items), rtol=0, atol=0
        )
    assert one(engine, requests[0]).vectors is None


def test_what_is_served_is_told(engine: Engine) -> None:
    found = {info.name: info for info in engine.scenarios()}
    assert set(found) == set(NAMES), "facts are recommended to nobody"
    films = found[FILMS]
    assert films.views == ("new", "all")
    assert films.title == "Generated films"
    kinds = {column.name: column.kind for column in films.columns}
    assert kinds.items() >= {"group": "category", "tags": "tags", "price": "number"}.items()
    assert "text" not in kinds
    assert films.item_columns == ("text", "group", "tags", "price")
    assert (films.items, films.users, films.by_text) == (30, 40, True)
    assert films.priors == ("linear", "co_occurrence", "personal_frequency", "content")
    assert not found[SHOP].by_text
