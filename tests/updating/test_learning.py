"""What is learned, what is forgotten, and what stays as it is, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from polyscene.feedback import Reaction
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Request
from tests.tiny import ADS, FACTS, LIKES, PEOPLE, SHOP
from tests.updating.feeding import FIRST, answered, engine_of, everything, feed, new_taste, tables, updated


def weights(deployment: Deployment, version: str) -> dict[str, torch.Tensor]:
    return load_file(deployment.path_of(version) / "checkpoints" / "joint" / "model.safetensors")


def test_a_taste_that_only_feedback_tells_is_learned_within_the_budget(deployment: Deployment) -> None:
    before = deployment.promoted()
    assert before is not None
    events = new_taste(600)
    feed(deployment, events)
    outcome = updated(deployment)
    assert outcome.promoted
    assert deployment.promoted() is not None
    told = outcome.updated[LIKES]
    assert told.held is not None
    assert told.kept is not None
    assert told.held.low > 0, "better on rows that were held out, for nearly all samples of users"
    assert told.held.users > 30
    assert told.kept.lost < 0.02
    facts = json.loads((deployment.path_of(outcome.version) / "update.json").read_text())
    assert facts["parent"] == facts["root"] == before.version
    assert facts["scenarios"][LIKES]["held"]["new"] == told.held.new

    # As it is served: what the users did next is found more often, by an engine that knows what they did before.
    hits = []
    for version in (before.version, outcome.version):
        engine = engine_of(deployment, version)
        engine.observe(events[:480])
        asked = [(event.user, event.item) for event in events[480:]]
        answers = answered(engine, [Request(LIKES, user, k=10) for user, _ in asked])
        hits.append(sum(item in answer.items for (_, item), answer in zip(asked, answers, strict=True)))
    assert hits[1] > hits[0] + 5


def test_other_scenarios_stay_bit_for_bit(deployment: Deployment) -> None:
    before = deployment.promoted()
    assert before is not None
    feed(deployment, new_taste(200))
    outcome = updated(deployment, budget=1.0, learn={"encoders": True})
    assert outcome.promoted, outcome.updated[LIKES].decision.reasons
    old, new = weights(deployment, before.version), weights(deployment, outcome.version)
    assert old.keys() == new.keys()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    own = {name for name in changed if f".{LIKES}." in name}
    assert own, "its head and its encoders learned"
    assert {name.partition(".")[0] for name in changed - own} <= {"user_bank", "item_bank"}
    assert changed - own, "its adapters learned"
    place = list(
        json.loads((deployment.path_of(before.version) / "checkpoints/joint/model.json").read_text())
    ).index(LIKES)
    for name in changed - own:
        others = [row for row in range(len(old[name])) if row != place]
        assert torch.equal(old[name][others], new[name][others]), name
    engines = [engine_of(deployment, version) for version in (before.version, outcome.version)]
    users = {SHOP: "u01", PEOPLE: "u02", ADS: "v03"}
    for name, user in users.items():
        first, second = (
            answered(engine, [Request(name, user, k=20), Request(name, "new", k=20)]) for engine in engines
        )
        assert [(one.items, one.scores) for one in first] == [(one.items, one.scores) for one in second]
    taught = [answered(engine, [Request(LIKES, "u01", k=20)])[0].scores for engine in engines]
    assert taught[0] != taught[1]


def test_what_forgets_too_much_is_not_promoted(deployment: Deployment) -> None:
    before = deployment.promoted()
    assert before is not None
    feed(deployment, new_taste(600))
    reckless = {"replay": 0.0, "distill": 0.0, "encoders": True}
    outcome = updated(deployment, lr=0.1, steps=60, learn=reckless, count=False)
    told = outcome.updated[LIKES]
    assert told.kept is not None
    assert told.held is not None
    assert told.kept.lost > 0.02
    assert told.held.new > told.held.old, "it did learn what it was told"
    assert not outcome.promoted
    assert not outcome.version
    assert deployment.promoted() == before
    assert deployment.versions() == [before.version]
    entry = deployment.audit.entries()[-1]
    assert (entry["action"], entry["promote"], entry["version"]) == ("update", False, None)
    assert "it forgets" in entry["scenarios"][LIKES]["reasons"][0]
    kept = updated(deployment, lr=0.1, steps=60, keep_refused=True, learn=reckless, count=False)
    assert not kept.promoted
    assert deployment.promoted() == before
    assert kept.version in deployment.versions()


def test_replay_and_distillation_keep_scores_of_old_rows(deployment: Deployment) -> None:
    feed(deployment, new_taste(400))
    given = {"promotion": "never", "lr": 0.05}
    plain = updated(deployment, learn={"replay": 0.0, "distill": 0.0}, **given).updated[LIKES]
    held_to = updated(deployment, learn={"replay": 1.0, "distill": 5.0}, **given).updated[LIKES]
    moved = [
        sum(
            float((now - then).abs().sum())
            for now, then in zip(one.learned.after, one.learned.before, strict=True)
        )
        for one in (plain, held_to)
    ]
    assert moved[1] < moved[0]
    assert plain.kept is not None
    assert held_to.kept is not None
    spread = [kept.high - kept.low for kept in (plain.kept, held_to.kept)]
    assert spread[1] < spread[0], "single users are told what they were told before"


def test_users_and_items_that_came_are_learned_from(deployment: Deployment) -> None:
    from polyscene.serving.arrivals import Arrivals

    row = {"item_id": "fresh", "group": tables().items["group"].iloc[0]}
    with deployment.locked():
        Arrivals(deployment).append(LIKES, [row])
    come = [Reaction(f"fresh-{n}", FIRST + n, LIKES, f"newcomer-{n % 30}", "fresh", "click") for n in range(60)]
    feed(deployment, [event for pair in zip(new_taste(60), come, strict=True) for event in pair])
    outcome = updated(deployment, budget=1.0)
    told = outcome.updated[LIKES].prepared
    assert told.rows.newcomers[:2] == ["newcomer-0", "newcomer-1"]
    assert len(told.rows) == 120
    assert outcome.promoted
    # The checkpoint is of the run's own items; serving takes the others in anew.
    engine = engine_of(deployment, outcome.version)
    assert engine.score(Request(LIKES, "newcomer-0"), ["fresh"]).unknown_items == ()


def test_what_no_user_does_is_not_learned_from(deployment: Deployment) -> None:
    feed(deployment, [Reaction(f"f{n}", FIRST + n, FACTS, "e01", "e02", "click") for n in range(60)])
    before = everything(deployment.folder)
    outcome = updated(deployment)
    assert outcome.waits == {FACTS: "its task is not about users"}
    assert everything(deployment.folder) == before


def test_updates_of_updates(deployment: Deployment, trained: Path) -> None:
    feed(deployment, new_taste(300))
    first = updated(deployment, budget=1.0)
    feed(deployment, new_taste(300, first=300, seed=1))
    second = updated(deployment, budget=1.0, budget_in_all=1.0, run=str(trained))
    assert second.base == first.version
    facts = [
        json.loads((deployment.path_of(one.version) / "update.json").read_text())["scenarios"][LIKES]
        for one in (first, second)
    ]
    # What was held out is learned from next; nothing is left out, nothing learned twice.
    assert (facts[0]["from"], facts[0]["to"], facts[0]["seen"]) == (0, 240, 300)
    assert (facts[1]["from"], facts[1]["seen"]) == (240, 600)
    assert facts[0]["learned_rows"] + facts[1]["learned_rows"] + facts[1]["held_rows"] == 600
    assert facts[1]["to"] == 600 - facts[1]["held_rows"]
    # The figure that all updates together are measured against is that of the run.
    assert facts[1]["first"] == facts[0]["kept"]["old"]
