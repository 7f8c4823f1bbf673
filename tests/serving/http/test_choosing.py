"""Policies in front of an engine: propensities are exact, conditions hold, and what is learned follows the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from polyscene.experiments.plan import NONE, ArmSpec, ExperimentSpec, Plan, PolicySpec, Side
from polyscene.experiments.policies import LinUcb, LinUcbConfig
from polyscene.feedback import Event, Impression, Reaction, open_log
from polyscene.registry.host import Host
from polyscene.serving.choices import Choices
from polyscene.serving.choosing import Chooser, Chosen, shown
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Answer, Engine, Request
from polyscene.serving.learning import Learner
from polyscene.serving.live import Live
from polyscene.serving.startup import load_promoted, loader
from polyscene.testing.runs import host_of
from tests.serving.http import served_plugin

NEW = Side("ranker", "new")
LEARNING = PolicySpec("linucb", {"pool": 20, "epsilon": 0.0, "alpha": 0.0}, within="10s", places=3)
USERS = [f"u{number:02}" for number in range(30)]


@pytest.fixture(scope="module")
def host() -> Host:
    return host_of(served_plugin)


@pytest.fixture(scope="module")
def engine(runs: tuple[Path, Path], host: Host, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = str(tmp_path_factory.mktemp("choosing") / "deployment")
    config = ServeConfig(run=str(runs[0]), deployment=folder, device="cpu", texts=False)
    deployment = Deployment(folder)
    return load_promoted(deployment, config, loader(deployment, config, host, Plan()), print).engine


def chooser_of(engine: Engine, host: Host, spec: PolicySpec, side: Side = NONE) -> Chooser:
    return Choices(Plan({"books": spec}), host.registry, engine).of("books", side)


def chosen_by(chooser: Chooser, engine: Engine, request: Request) -> tuple[Answer, Chosen]:
    [answer] = engine.answer([chooser.wanted(request)], vectors=chooser.vectors)
    assert isinstance(answer, Answer)
    chosen = chooser.choose(request, answer)
    return shown(answer, chosen), chosen


def test_propensities_of_epsilon_are_those_of_its_formula(engine: Engine, host: Host) -> None:
    chooser = chooser_of(engine, host, PolicySpec("epsilon", {"epsilon": 0.4, "pool": 8}))
    request = Request("books", user="u01", k=3)
    [best] = engine.answer([Request("books", user="u01", k=8)])
    assert isinstance(best, Answer)
    random = 0
    for _ in range(200):
        answer, chosen = chosen_by(chooser, engine, request)
        assert set(answer.items) <= set(best.items)
        expected = [0.6 * (item == best.items[place]) + 0.05 for place, item in enumerate(answer.items)]
        assert chosen.propensities == pytest.approx(expected)
        random += answer.items != best.items[:3]
    assert 48 < random < 112  # 80 in the mean, of which few are the best by chance


@pytest.mark.parametrize("name", ["epsilon", "thompson", "linucb"])
def test_conditions_hold_whoever_chooses(name: str, engine: Engine, host: Host) -> None:
    chooser = chooser_of(engine, host, PolicySpec(name, {"epsilon": 1.0}))
    free = Request("books", user="u01", k=30, exclude_seen=True)
    allowed = chosen_by(chooser_of(engine, host, PolicySpec()), engine, free)[0].items
    position = engine.shelves["books"].position
    prices = engine.shelves["books"].loaded.tables.items["price"]
    for _ in range(10):
        asked = Request(
            "books", user="u01", k=4, exclude_seen=True, exclude=allowed[:2], filters={"price": {"min": 5}}
        )
        items = chosen_by(chooser, engine, asked)[0].items
        assert len(items) == 4
        assert set(items) <= set(allowed[2:])
        assert all(prices.iloc[position[item]] >= 5 for item in items)


def test_below_the_pool_the_order_is_the_models(engine: Engine, host: Host) -> None:
    chooser = chooser_of(engine, host, PolicySpec("epsilon", {"epsilon": 1.0, "pool": 5}))
    request = Request("books", user="u01", k=12)
    [best] = engine.answer([request])
    assert isinstance(best, Answer)
    answer, chosen = chosen_by(chooser, engine, request)
    assert set(answer.items[:5]) == set(best.items[:5])
    assert answer.items[5:] == best.items[5:]
    assert chosen.propensities == pytest.approx((*[0.2] * 5, *[1.0] * (len(best.items) - 5)))


def test_a_policy_that_fails_costs_no_answer(engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser = chooser_of(engine, host, LEARNING)

    def broken(*_: Any) -> Tensor:
        raise ZeroDivisionError

    monkeypatch.setattr(chooser.policy, "values", broken)
    request = Request("books", user="u01", k=3)
    answer, chosen = chosen_by(chooser, engine, request)
    [best] = engine.answer([request])
    assert isinstance(best, Answer)
    assert answer.items == best.items
    assert (chosen.policy, chosen.propensities) == ("greedy", None)
    assert "policy 'linucb' failed" in chosen.trouble


def test_who_has_no_policy_is_shown_the_best(engine: Engine, host: Host) -> None:
    choices = Choices(Plan({"books": LEARNING}), host.registry, engine)
    for chooser in (choices.of("songs", NONE), choices.of(None, None), choices.of("books", None)):
        request = Request("songs", k=3)
        assert chooser.wanted(request) is request
        assert not chooser.vectors
        _, chosen = chosen_by(chooser, engine, request)
        assert (chosen.policy, chosen.propensities) == ("greedy", (1.0, 1.0, 1.0))


# What is learned.


def listed(
    number: int, time: float, chooser: Chooser, engine: Engine, **other: Any
) -> tuple[Impression, Answer, Chosen]:
    """A list as the server logs it."""
    answer, chosen = chosen_by(chooser, engine, Request("books", user=USERS[number % 30], k=5))
    facts = {"model": answer.model, "policy": chosen.policy, "context": chosen.context} | other
    event = Impression(
        f"list-{number}", time, "books", USERS[number % 30], answer.items, answer.scores, **facts
    )  # fmt: skip
    return event, answer, chosen


def story(engine: Engine, host: Host, **other: Any) -> list[Event]:
    """Forty lists a second apart; whoever sees i07 clicks on it."""
    chooser, events = chooser_of(engine, host, LEARNING), []
    for number in range(40):
        event, answer, _ = listed(number, 1000.0 + number, chooser, engine, **other)
        events.append(event)
        clicked = [item for item in answer.items if item in ("i07", answer.items[0])]
        told = {"time": 1001.0 + number, "scenario": "books", "user": event.user, "impression": event.event_id}
        events += [Reaction(f"c{number}-{item}", item=item, kind="click", **told) for item in clicked]
    return events


def learned(engine: Engine, host: Host, parts: Sequence[Sequence[Event]], side: Side = NONE) -> LinUcb:
    plan = Plan({"books": LEARNING}, {"ranker": ExperimentSpec({"old": ArmSpec(), "new": ArmSpec()})})
    choices = Choices(plan, host.registry, engine)
    for events in parts:
        choices.read(events)
    for learner in choices._learners.values():
        learner._learned_at = 0.0  # as if a second had gone by
        learner.learn()
    policy = choices.of("books", side).policy
    assert isinstance(policy, LinUcb)
    return policy


def test_what_is_learned_is_what_lists_brought(engine: Engine, host: Host) -> None:
    events = story(engine, host)
    policy = learned(engine, host, [events])
    # Of the lists that begin at 1000 to 1039, those until 1029 are over when the last one is shown.
    over = [event for event in events if isinstance(event, Impression) and event.time <= 1029]
    assert int(policy.count) == 3 * len(over) == 90
    clicked = {(event.impression, event.item) for event in events if isinstance(event, Reaction)}
    expected = chooser_of(engine, host, LEARNING).policy
    assert isinstance(expected, LinUcb)
    sum_f, gram_ff = expected.sum_f.clone(), expected.gram_ff.clone()
    for event in over:
        assert event.context is not None
        feature_Bf = expected.features(
            torch.tensor(event.context, dtype=torch.float64).expand(3, -1),
            engine.item_vectors("books", event.items[:3]),
            torch.tensor(event.scores[:3]),
        )
        reward_B = torch.tensor([float((event.event_id, item) in clicked) for item in event.items[:3]]).double()
        sum_f += feature_Bf.T @ reward_B
        gram_ff += feature_Bf.T @ feature_Bf
    torch.testing.assert_close(policy.sum_f, sum_f)
    torch.testing.assert_close(policy.gram_ff, gram_ff)
    assert float(policy.sum_f[0]) >= 30  # the constant's: one click for each list at least


def test_it_does_not_matter_when_events_are_read(engine: Engine, host: Host) -> None:
    events = story(engine, host)
    whole = learned(engine, host, [events])
    parts = learned(engine, host, [events[start : start + 7] for start in range(0, len(events), 7)])
    torch.testing.assert_close(parts.gram_ff, whole.gram_ff)
    torch.testing.assert_close(parts.sum_f, whole.sum_f)


def test_policies_learn_from_the_log_that_is_followed(engine: Engine, host: Host, tmp_path: Path) -> None:
    """Without policies that learn nobody reads what was shown; with them it is read as well."""
    choices = Choices(Plan({"books": LEARNING}), host.registry, engine)
    log = open_log(str(tmp_path / "feedback.db"))
    live = Live(choices, Deployment(str(tmp_path / "deployment")), log)
    log.append(story(engine, host))
    live.catch_up()
    for learner in choices._learners.values():
        learner._learned_at = 0.0
        learner.learn()
    policy = choices.of("books", NONE).policy
    assert isinstance(policy, LinUcb)
    assert int(policy.count) == 90
    for user in USERS:
        engine.forget(user)
    log.close()


def test_each_side_learns_from_its_own_lists_of_its_own_version(engine: Engine, host: Host) -> None:
    new = story(engine, host, experiment="ranker", arm="new")
    counts = [int(learned(engine, host, [new], side).count) for side in (NONE, Side("ranker", "old"), NEW)]
    assert counts == [0, 0, 90]
    for other in ({"model": "another"}, {"policy": "thompson"}, {"context": None}):
        assert int(learned(engine, host, [story(engine, host, **other)]).count) == 0


def test_without_the_events_of_a_user_nothing_of_them_is_known(engine: Engine, host: Host) -> None:
    events = story(engine, host)
    kept = [event for event in events if event.user != "u03"]
    forgotten, whole = learned(engine, host, [kept]), learned(engine, host, [events])
    assert int(whole.count) - int(forgotten.count) == 3  # u03 had two lists, one of which is still open
    assert not torch.allclose(forgotten.sum_f, whole.sum_f)


def test_late_reactions_and_other_kinds_count_nothing(engine: Engine, host: Host) -> None:
    events = [event for event in story(engine, host) if isinstance(event, Impression)]
    nothing = learned(engine, host, [events])
    first = events[0]
    late = [
        Reaction("r1", first.time + 11, "books", first.user, first.items[0], "click", impression=first.event_id),
        Reaction("r2", first.time + 1, "books", first.user, first.items[0], "view", impression=first.event_id),
        Reaction("r3", first.time + 1, "books", first.user, first.items[0], "click"),
    ]
    same = learned(engine, host, [[first, *late, *events[1:]]])
    torch.testing.assert_close(same.sum_f, nothing.sum_f)


def test_a_clock_that_jumps_costs_what_waits_and_no_more(engine: Engine, host: Host) -> None:
    events = story(engine, host)
    chooser = chooser_of(engine, host, LEARNING)
    jump, _, _ = listed(100, 9e9, chooser, engine)
    policy = learned(engine, host, [[*events[:20], jump, *events[20:]]])
    assert int(policy.count) == 93  # the list of the future is over as soon as the clock is back
    straight = learned(engine, host, [events])
    # What was not over at the jump has lost the clicks that came later, at most one a list.
    assert abs(float(policy.sum_f[0]) - float(straight.sum_f[0])) <= 10


def test_a_policy_that_cannot_learn_stops_nothing(
    engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def broken(self: LinUcb, rewards: object) -> None:
        asked.append(rewards)
        raise ZeroDivisionError

    monkeypatch.setattr(LinUcb, "learn", broken)
    learned(engine, host, [story(engine, host)])
    assert asked


def test_items_that_are_not_known_are_passed_over() -> None:
    policy = LinUcb(LinUcbConfig(), 4)
    learner = Learner(policy, LEARNING, lambda items: ([], torch.zeros(0, 4)))
    told = {"scenario": "books", "user": "ann", "model": "v1", "policy": "linucb", "context": (0.0,) * 6}
    for number in (0, 20):
        learner.shown(Impression(f"l{number}", time=1000.0 + number, items=("gone",), scores=(1.0,), **told))
    learner.learn()
    assert int(policy.count) == 0
