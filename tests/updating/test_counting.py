"""What priors and popularity count follows the feedback, version by version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import FeedbackError
from polyscene.feedback import Reaction, open_log
from polyscene.model import PolysceneModel
from polyscene.serving.arrivals import Arrivals
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Engine, Request
from polyscene.serving.reactions.laying import counted_with, lay, with_empty_users
from polyscene.serving.reactions.reading import Row
from polyscene.serving.reactions.rows import NewRows
from polyscene.updating import scenario as stages
from polyscene.updating.learning import Learned, learn_rows
from polyscene.updating.scenario import Measure
from tests.tiny import ADS, LIKES, PEOPLE, SHOP
from tests.updating.feeding import FIRST, engine_of, feed, new_taste, tables, updated

ITEMS = {SHOP: "i{:02}", LIKES: "i{:02}", PEOPLE: "u{:02}", ADS: "a{:02}"}
USERS = {SHOP: "u{:02}", LIKES: "u{:02}", PEOPLE: "u{:02}", ADS: "v{:02}"}


def item_counts(engine: Engine, name: str) -> np.ndarray:
    """How many rows of each item are counted."""
    counts = engine.shelves[name].counts
    item_M = counts.item_R[torch.from_numpy(counts.rows(Phase)[1])].long()
    return torch.bincount(item_M, minlength=counts.n_items).numpy()


def scores(engine: Engine, name: str, user: str) -> tuple[float, ...]:
    ids = engine.shelves[name].ids
    return engine.score(Request(name, user), ids).scores


@pytest.mark.parametrize("name", [SHOP, LIKES, PEOPLE, ADS])
def test_every_kind_of_scenario_counts_feedback(deployment: Deployment, name: str) -> None:
    engine, version = engine_of(deployment, deployment.versions()[0]), deployment.versions()[0]
    before, asked = item_counts(engine, name), USERS[name].format(3)
    plain = scores(engine, name, asked), scores(engine, name, "nobody")
    item, stranger = ITEMS[name].format(5), () if name == PEOPLE else ("zoe", "ann")
    users = [*(USERS[name].format(n) for n in range(8, 20)), *stranger]
    rows = [Row(n, user, item, "click", None, FIRST + n) for n, user in enumerate(users, 1)]
    unknown = [Row(98, users[0], "no such item", "click", None, FIRST)]
    assert engine.count(name, [*rows, *unknown]) == len(rows)
    place = engine.shelves[name].position[item]
    assert (item_counts(engine, name) - before).nonzero()[0].tolist() == [place]
    assert item_counts(engine, name)[place] == before[place] + len(rows)
    # The others' clicks say something to everybody, where anything is counted.
    counts = name != ADS
    assert (scores(engine, name, asked) != plain[0]) == counts
    if name in (SHOP, LIKES):
        assert scores(engine, name, "nobody")[place] > plain[1][place]
    assert engine.count(name, []) == 0
    assert (scores(engine, name, asked), scores(engine, name, "nobody")) == plain
    other = engine_of(deployment, version)
    assert (scores(other, name, asked), scores(other, name, "nobody")) == plain


def test_new_rows_come_behind_those_of_the_data_with_their_labels() -> None:
    events = Events(
        item_R=torch.tensor([0, 1, 2], dtype=torch.int32),
        value_R=torch.ones(3),
        time_R=torch.tensor([5, 6, 7]),
        start_UP=torch.tensor([[0, 1, 1, 1, 1, 2], [2, 3, 3, 3, 3, 3]]),
        n_items=4,
        cold_N=torch.zeros(4, dtype=torch.bool),
        cold_U=torch.zeros(2, dtype=torch.bool),
        labelled_R=torch.tensor([True, False, False]),
    )
    user_X, item_X = np.array([1, 3, 0]), np.array([3, 3, 2])
    rows = NewRows(
        np.arange(1, 4),
        user_X,
        item_X,
        np.ones(3, np.float32),
        np.arange(8, 11),
        rated=False,
        newcomers=["zoe"],
        mended=0,
    )
    counted = counted_with(events, rows)
    user, row = counted.rows(Phase, context=True)
    assert user.tolist() == [0, 0, 0, 1, 1, 3]
    assert counted.item_R[torch.from_numpy(row)].tolist() == [0, 1, 2, 2, 3, 3]
    assert counted.labelled_R is not None
    assert counted.labelled_R.tolist() == [True, False, True, False, True, True]
    assert counted.n_users == 4
    # What was learned from before is known, and not learned from again.
    laid = lay(with_empty_users(events, 2), rows, np.array([False, False, True]), apart=False, after=1)
    assert laid.number_R[laid.new_R].tolist() == [2]
    assert counted_with(events, rows.until(0)) is events
    assert counted_with(events, rows.until(1)).n_users == 2


def test_a_version_counts_what_its_update_counted(deployment: Deployment) -> None:
    row = {"item_id": "fresh", "group": tables().items["group"].iloc[0]}
    with deployment.locked():
        Arrivals(deployment).append(LIKES, [row])
    come = [Reaction(f"fresh-{n}", FIRST + n, LIKES, f"newcomer-{n % 30}", "fresh", "click") for n in range(40)]
    feed(deployment, [*come, *new_taste(160)])
    before = deployment.versions()[0]
    outcome = updated(deployment, lr=0.0, promotion="never")
    told = json.loads((deployment.path_of(outcome.version) / "update.json").read_text())["scenarios"][LIKES]
    assert told["counted"] == 160
    old, new = (engine_of(deployment, version) for version in (before, outcome.version))
    more = item_counts(new, LIKES) - item_counts(old, LIKES)
    assert more.sum() == 160
    fresh = new.shelves[LIKES].position["fresh"]
    assert more[fresh] == 40
    assert scores(new, LIKES, "u01")[fresh] > scores(old, LIKES, "u01")[fresh]
    # Another item that comes takes away nothing of what is counted.
    new.put_items(LIKES, [row | {"item_id": "fresher"}])
    assert (item_counts(new, LIKES)[:-1] == item_counts(engine_of(deployment, outcome.version), LIKES)).all()

    # What the earlier version counts comes back with it, and who is erased is counted no more.
    with closing(open_log(str(deployment.folder / "feedback.db"))) as log:
        log.erase("newcomer-0")
    assert item_counts(engine_of(deployment, outcome.version), LIKES)[fresh] == 38
    assert item_counts(engine_of(deployment, before), LIKES)[fresh] == 0


def test_what_is_counted_is_taken_without_what_was_learned(deployment: Deployment) -> None:
    before = deployment.versions()[0]
    feed(deployment, new_taste(600))
    reckless = {"replay": 0.0, "distill": 0.0, "encoders": True}
    outcome = updated(deployment, lr=0.1, steps=60, learn=reckless)
    told = outcome.updated[LIKES]
    assert told.counts_alone
    assert outcome.promoted
    moved = zip(told.learned.tensors, told.learned.before, strict=True)
    assert all(torch.equal(now, then) for now, then in moved), "the model is as it was"
    assert told.held is not None
    assert told.held.new > told.held.old
    reasons = told.decision.reasons
    assert reasons[0].startswith("counted alone: ndcg@10 of kept rows is")
    assert "(+0.0%)" in reasons[0]
    assert reasons[-1].startswith("not what was learned, as it forgets")
    weights = [
        load_file(deployment.path_of(version) / "checkpoints/joint/model.safetensors")
        for version in (before, outcome.version)
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    facts = json.loads((deployment.path_of(outcome.version) / "update.json").read_text())["scenarios"][LIKES]
    assert (facts["to"], facts["counted"], facts["learned_rows"]) == (0, 480, 0)
    # The next update may learn from all of it.
    feed(deployment, new_taste(100, first=600, seed=1))
    second = updated(deployment, budget=1.0)
    facts = json.loads((deployment.path_of(second.version) / "update.json").read_text())["scenarios"][LIKES]
    assert (facts["from"], facts["to"], facts["counted"], facts["learned_rows"]) == (0, 560, 560, 560)


def test_what_is_learned_has_to_add_to_what_is_counted(deployment: Deployment) -> None:
    before = deployment.promoted()
    feed(deployment, new_taste(600))
    refused = updated(deployment, lr=0.0, promotion="both")
    assert deployment.promoted() == before
    assert refused.updated[LIKES].decision.reasons[0].startswith("it is not better on held-out rows")
    assert updated(deployment, lr=0.0, count=False).updated[LIKES].counted == 0
    assert deployment.promoted() == before
    told = updated(deployment, lr=0.0).updated[LIKES]
    assert told.counts_alone
    assert any(reason.startswith("not what was learned, as it is not better") for reason in told.decision.reasons)


def test_rows_that_are_held_out_are_not_counted(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while they are asked for, nor where the figure on the run's validation rows is measured."""
    seen: list[tuple[str, int]] = []
    observe, held, kept = PolysceneModel.observe, Measure.held, Measure.kept
    stage = "settling"

    def counting(model: PolysceneModel, name: str, events: Events, phases: Iterable[Phase]) -> None:
        if name == LIKES:
            seen.append((stage, len(events.rows(phases := list(phases))[1])))
        observe(model, name, events, phases)

    def staged(name: str, plain: Callable[..., dict[int, float]]) -> Callable[..., dict[int, float]]:
        def call(measure: Measure, *given: int) -> dict[int, float]:
            nonlocal stage
            before, stage = stage, f"{name}{given}"
            found = plain(measure, *given)
            stage = before
            return found

        return call

    def learning(*given: Any, **options: Any) -> Learned:
        seen.append(("learning", seen[-1][1]))
        return learn_rows(*given, **options)

    monkeypatch.setattr(PolysceneModel, "observe", counting)
    monkeypatch.setattr(stages, "learn_rows", learning)
    monkeypatch.setattr(Measure, "held", staged("held", held))
    monkeypatch.setattr(Measure, "kept", staged("kept", kept))
    feed(deployment, new_taste(200))
    updated(deployment, dry_run=True)
    told, rows = dict(seen), len(tables().interactions)
    assert told["held(0,)"] == rows
    assert told["held(160,)"] == rows + 160
    assert told["kept()"] < rows
    assert told["learning"] == rows, "while rows are learned from, they are not counted"


def test_a_log_that_is_lost_or_cannot_be_read(deployment: Deployment, caplog: pytest.LogCaptureFixture) -> None:
    feed(deployment, new_taste(200))
    version = updated(deployment, lr=0.0, promotion="never").version
    whole = item_counts(engine_of(deployment, version), LIKES)
    path = deployment.folder / "feedback.db"
    path.rename(path.with_suffix(".away"))
    lost = item_counts(engine_of(deployment, version), LIKES)
    assert "holds 0 events, of 160 that the version counts" in caplog.text
    assert whole.sum() == lost.sum() + 160
    path.write_text("something else")
    with pytest.raises(FeedbackError):
        engine_of(deployment, version)
