"""Lists of the log: placed as they were shown, weighed by what is known of them, and heard in the decision."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from polyscene.config.schema import DataConfig
from polyscene.data.phases import Phase
from polyscene.feedback import Impression, Reaction
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Answer, Request
from polyscene.serving.reactions.reading import Row
from polyscene.serving.reactions.rows import rows_of
from polyscene.training.restore import restore
from polyscene.updating.config import UpdateConfig
from polyscene.updating.decision import decide
from polyscene.updating.joining import bind_rows, join, settle_in, subject_of
from polyscene.updating.kept import Compared, compare
from polyscene.updating.replayed import Estimated, Lists, Placed, estimate, lists_of, place
from tests.tiny import ADS, LIKES, PEOPLE, SHOP, tiny_host
from tests.updating.feeding import FIRST, engine_of

ITEMS = {SHOP: "i{:02}", LIKES: "i{:02}", PEOPLE: "u{:02}", ADS: "a{:02}"}
USERS = {SHOP: "u{:02}", LIKES: "u{:02}", PEOPLE: "u{:02}", ADS: "v{:02}"}


@pytest.mark.parametrize("name", [SHOP, LIKES, PEOPLE, ADS])
def test_lists_are_placed_as_they_were_shown(deployment: Deployment, name: str) -> None:
    """The version that served would show again what it showed, to users who had done more in the meantime."""
    version = deployment.versions()[0]
    engine, number, found, shown = engine_of(deployment, version), 0, [], []
    strangers = [] if name == PEOPLE else ["zoe", "ann"]
    for stage in range(3):
        for user in [*(USERS[name].format(n) for n in range(20, 28)), *strangers[:stage]]:
            number += 1
            item = ITEMS[name].format((number * 7) % 24)
            kind = "skip" if name == ADS and number % 3 == 0 else "click"
            event = Reaction(f"e{number}", FIRST + number, name, user, item, kind)
            assert engine.observe([event]) == 1
            found.append(Row(number, user, item, kind, None, event.time))
        for user in [*(USERS[name].format(n) for n in range(18, 26)), *strangers]:
            number += 1
            [answer] = engine.answer([Request(name, user, k=5)])
            assert isinstance(answer, Answer)
            told = (answer.items, answer.scores, version, "greedy", (1.0,) * 5)
            shown.append((number, Impression(f"e{number}", FIRST + number, name, user, *told)))
    run = restore(str(deployment.path_of(version)), tiny_host(), root="", data=DataConfig(), device="cpu")
    model, loaded = run.model("joint"), run.loaded.scenarios[name]
    people = run.session.subject(name, loaded).own_item_U is not None
    assert people == (name == PEOPLE)
    rows = rows_of(found, loaded, model.main_task(name), Counter(), people=people)
    assert len(rows) == len(found)
    joined = join(loaded, rows, np.zeros(len(rows), dtype=bool), strangers)
    settle_in(run.session, model, joined)
    bind_rows(run.session, model, joined, joined.served)
    model.observe(name, subject_of(run.session, joined, None).events, Phase)
    placed = place(
        model, subject_of(run.session, joined, joined.served), joined, lists_of(joined, shown, {}, "click")
    )
    assert len(placed.same_L) == len(shown)
    assert np.stack(placed.same_L).all()
    scores = np.stack([list(one.scores) for _, one in shown])
    np.testing.assert_allclose(np.stack(placed.score_L), scores, rtol=1e-4, atol=1e-4)


def logged(epsilon: float, lists: int = 4000, seed: int = 0) -> tuple[Lists, Placed, Placed, tuple[float, float]]:
    """Lists of one item from ten, of which users like the later ones; what two models would show; the truth."""
    rng = np.random.default_rng(seed)
    chance_N = np.linspace(0.05, 0.5, 10)
    best = {"old": 3, "new": 8}
    shown, rewards, placed = [], [], {name: Placed([], [], []) for name in best}
    for number in range(lists):
        item = int(rng.integers(10)) if rng.random() < epsilon else best["old"]
        chance = epsilon / 10 + (1 - epsilon) * (item == best["old"])
        told = ((str(item),), (0.0,), "v1", "epsilon" if epsilon else "greedy", (chance,))
        shown.append(Impression(f"e{number}", FIRST, SHOP, f"u{number % 400}", *told))
        rewards.append([bool(rng.random() < chance_N[item])])
        for name, of_model in placed.items():
            of_model.same_L.append(np.array([item == best[name]]))
            of_model.score_L.append(np.array([float(item)], dtype=np.float32))
            of_model.best_L.append(np.array([float(best[name])], dtype=np.float32))
    nothing = torch.zeros(lists, dtype=torch.int64)
    truth = float(chance_N[best["old"]]), float(chance_N[best["new"]])
    return Lists(shown, nothing, nothing, rewards), placed["old"], placed["new"], truth


def test_estimates_find_the_truth_where_the_log_explored() -> None:
    lists, old, new, truth = logged(0.5)
    told = estimate(lists, old, new, None)
    assert told.old is not None
    assert told.new is not None
    assert not told.impossible
    for method in ("snips", "dr"):
        assert told.old[method] == pytest.approx(truth[0], abs=0.03)
        assert told.new[method] == pytest.approx(truth[1], abs=0.08)
    assert told.low < truth[1] - truth[0] < told.high
    assert told.low > 0
    assert told.same == pytest.approx(0.05, abs=0.02)


def test_a_log_of_the_best_alone_says_nothing_of_other_lists() -> None:
    lists, old, new, truth = logged(0.0)
    told = estimate(lists, old, new, None)
    assert "nothing is known of lists that it did not show" in told.impossible
    assert (told.old, told.new, told.same, told.reward_same) == (None, None, 0.0, None)
    assert told.reward == pytest.approx(truth[0], abs=0.03)
    assert estimate(Lists([], lists.user_L[:0], lists.stop_L[:0], []), old, new, None).lists == 0


def test_what_is_never_shown_cannot_be_estimated() -> None:
    lists, old, new, _ = logged(0.5)
    never = Placed([np.array([False])] * len(lists.shown), new.score_L, new.best_L)
    assert "support is lacking" in estimate(lists, old, never, None).impossible


def compared(old: float, new: float) -> Compared:
    return Compared("ndcg@10", 100, old, new, new - old - 0.01, new - old + 0.01)


SILENT = Estimated(0, impossible="the log has no list that was shown since")
WORSE = Estimated(100, 0.5, 0.2, 0.2, {"snips": 0.2, "dr": 0.2}, {"snips": 0.1, "dr": 0.1}, -0.2, 0.0)
BETTER = Estimated(100, 0.5, 0.2, 0.2, {"snips": 0.2, "dr": 0.2}, {"snips": 0.3, "dr": 0.3}, 0.0, 0.2)


@pytest.mark.parametrize(
    "case",
    [
        (compared(0.2, 0.199), compared(0.1, 0.2), SILENT, "auto", None, ""),
        (compared(0.2, 0.199), compared(0.1, 0.2), BETTER, "both", None, ""),
        (compared(0.2, 0.19), compared(0.1, 0.2), BETTER, "auto", None, "it forgets"),
        (compared(0.2, 0.2), compared(0.1, 0.2), SILENT, "auto", 0.22, "all updates together forget"),
        (compared(0.2, 0.2), compared(0.1, 0.1), SILENT, "auto", None, "it is not better on held-out rows"),
        (compared(0.2, 0.2), None, SILENT, "auto", None, "no two users have held-out rows"),
        (None, compared(0.1, 0.2), SILENT, "auto", None, "forgetting cannot be measured"),
        (compared(0.2, 0.2), compared(0.1, 0.2), WORSE, "auto", None, "lists of the log disagree"),
        (compared(0.2, 0.2), compared(0.1, 0.2), WORSE, "kept_set", None, ""),
        (compared(0.2, 0.2), compared(0.1, 0.2), SILENT, "both", None, "promotion=both needs an estimate"),
        (compared(0.2, 0.2), compared(0.1, 0.2), BETTER, "never", None, "promotion=never"),
    ],
)
def test_all_must_agree(case: tuple[Compared | None, Compared | None, Estimated, Any, float | None, str]) -> None:
    kept, held, lists, promotion, first, against = case
    found = decide(kept, held, lists, UpdateConfig(promotion=promotion), first)
    assert found.promote == (not against)
    assert against in found.reasons[0]


def test_models_are_compared_by_user() -> None:
    rng = np.random.default_rng(0)
    old = {user: float(rng.random()) for user in range(200)}
    new = {user: value + 0.02 + 0.01 * float(rng.standard_normal()) for user, value in old.items() if user >= 100}
    told = compare("ndcg@10", old, new)
    assert told is not None
    assert told.users == 100
    assert told.low < 0.02 < told.high
    assert told.high - told.low < 0.006, "users differ far more than models do"
    assert compare("ndcg@10", old, {3: 0.5}) is None
