"""New items rise as far as the agreed cost allows, no further, and stay there in what is kept of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.evaluator import model_scorer, validation_score
from polyscene.evaluation.requests import VALIDATION
from polyscene.evaluation.validation import steering_scores
from polyscene.priors.heads import Heads
from polyscene.tasks.ranking import RankingTask
from polyscene.training import settling
from polyscene.training.checkpoint import load_weights
from polyscene.training.fit import Fitting, Progress
from polyscene.training.lifting import HALVINGS, HIGHEST, keep_out, lift_new_items, new_items, without
from tests.tiny import SHOP, tiny_config, tiny_fitting

COST = 0.1
WITH_NEW = {SHOP: {"split": {"name": "leave_one_out", "cold_items": 0.3}}}


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Fitting:
    return trained(tmp_path_factory.mktemp("run"), COST)


def trained(folder: Path, cost: float, *more: str, **options: Any) -> Fitting:
    shop = {SHOP: {**WITH_NEW[SHOP], **options}}
    config = tiny_config("", [SHOP], f"model.new_item_cost={cost}", *more, **shop)
    fitting = tiny_fitting(config, folder)
    fitting.run()
    return fitting


def task_of(fitting: Fitting) -> RankingTask:
    task = fitting.model.main_task(SHOP)
    assert isinstance(task, RankingTask)
    return task


def score(fitting: Fitting, lift: float) -> float:
    task, subject = task_of(fitting), fitting.subjects[SHOP]
    kept, scorer = float(task.lift), model_scorer(fitting.model, subject, fitting._lengths()[SHOP])
    task.lift.fill_(lift)
    found = validation_score({SHOP: subject}, {SHOP: scorer}, 0)[SHOP]
    task.lift.fill_(kept)
    return found


def test_the_lift_costs_what_was_agreed_and_more_would_cost_more(fitting: Fitting) -> None:
    lift = float(task_of(fitting).lift)
    assert -HIGHEST < lift < HIGHEST
    assert score(fitting, lift) >= (1 - COST) * score(fitting, -HIGHEST)
    assert score(fitting, lift + 2 * HIGHEST / 2**HALVINGS) < (1 - COST) * score(fitting, -HIGHEST)


def test_no_view_pays_more_than_was_agreed(fitting: Fitting) -> None:
    """With the history left in, known items are pushed down sooner than without, or later."""
    subject, views = fitting.subjects[SHOP], (View("new"), View("again", mask_history=False))

    def lift(*asked: View) -> float:
        own = replace(subject, scenario=replace(subject.scenario, views=asked))
        return lift_new_items(fitting.model, {SHOP: own}, fitting._lengths(), COST)[SHOP]

    kept = float(task_of(fitting).lift)
    alone = [lift(view) for view in views]
    assert alone[0] != alone[1]
    assert lift(*views) == lift(*views[::-1]) == min(alone)
    task_of(fitting).lift.fill_(kept)


@pytest.mark.parametrize("cost", [0.0, COST])
def test_new_items_do_not_steer_training(cost: float, tmp_path: Path) -> None:
    """However high they would stand, a validation says the same."""
    told: list[float] = []
    again: list[float] = []

    def validated(_: int, values: Mapping[str, float]) -> None:
        told.append(values[f"{SHOP}/ndcg@10"])
        unseen, lengths = task_of(fitting).popularity.unseen.data, fitting._lengths()
        unseen += 100
        again.append(steering_scores(fitting.model, fitting.subjects, lengths)[SHOP][1])
        unseen -= 100

    config = tiny_config("", [SHOP], f"model.new_item_cost={cost}", **WITH_NEW)
    fitting = tiny_fitting(config, tmp_path, Progress(metrics=validated))
    fitting.run()
    assert told == again
    assert min(told) > 0


@pytest.mark.parametrize("few", [True, False])
def test_among_few_labels_new_items_stay(few: bool, tmp_path: Path) -> None:
    fitting = tiny_fitting(tiny_config("", [SHOP], **WITH_NEW), tmp_path)
    task, events = task_of(fitting), fitting.subjects[SHOP].events
    if few:
        labelled_R = torch.arange(len(events.item_R)) % 2 == 0
        task.popularity.observe(replace(events, labelled_R=labelled_R), [Phase.TRAIN])
    keep_out(fitting.model, [SHOP])
    assert float(task.lift) == (0 if few else -HIGHEST)


def test_it_is_kept_and_found_again(fitting: Fitting) -> None:
    lift = float(task_of(fitting).lift)
    assert lift_new_items(fitting.model, fitting.subjects, fitting._lengths(), COST) == {SHOP: lift}
    task_of(fitting).lift.zero_()
    load_weights(fitting.folder / "model.safetensors", fitting.model)
    assert float(task_of(fitting).lift) == lift


def test_a_session_that_ended_after_it_was_found_ends_the_same_once_more(tmp_path: Path) -> None:
    """Gates are fitted without new items, and so they are when those have their place already."""

    def parts() -> dict[str, torch.Tensor]:
        with_priors = {SHOP: {**WITH_NEW[SHOP], "priors": ["linear"]}}
        fitting = tiny_fitting(tiny_config("", [SHOP], f"model.new_item_cost={COST}", **with_priors), tmp_path)
        fitting.run()
        return {name: tensor.clone() for name, tensor in fitting.model.state_dict().items()}

    first, again = parts(), parts()
    assert any("gate_2VE" in name for name in first)
    assert [name for name, tensor in first.items() if not torch.equal(tensor, again[name])] == []


@pytest.mark.parametrize("priors", [True, False])
def test_without_a_cost_nothing_is_lifted(priors: bool, tmp_path: Path) -> None:
    fitting = trained(tmp_path, 0.0, f"model.priors={priors}")
    assert float(task_of(fitting).lift) == 0
    task_of(fitting).lift.fill_(1)
    load_weights(fitting.folder / "model.safetensors", fitting.model)
    assert float(task_of(fitting).lift) == 0


def test_what_a_lift_costs_is_compared_with_no_new_items_at_all(fitting: Fitting) -> None:
    """However closed the network's gate, through which a lift works: it is as if they were not for sale."""
    new_N, subject = new_items(fitting.model, SHOP), fitting.subjects[SHOP]
    assert new_N is not None
    assert torch.equal(new_N, ~task_of(fitting).trained_N)
    view = subject.scenario.views[0]
    scorer = model_scorer(fitting.model, subject, fitting._lengths()[SHOP])
    requests = next(iter(subject.requests(VALIDATION, view, 8)))
    with torch.inference_mode():
        whole_BN, left_BN = scorer(requests, view), without(scorer, new_N)(requests, view)
    assert torch.equal(left_BN[:, ~new_N], whole_BN[:, ~new_N])
    assert (left_BN[:, new_N] < whole_BN.min()).all()


@pytest.mark.parametrize("cost", [0.0, COST])
def test_gates_are_settled_without_items_that_wait_for_their_lift(
    cost: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = []
    of = Heads.of
    monkeypatch.setattr(settling.Heads, "of", lambda *given: (left_out.append(given[2]), of(*given))[1])
    new_N = new_items(trained(tmp_path, cost, priors=[{"name": "linear"}]).model, SHOP)
    assert new_N is not None
    assert left_out
    # What a user has is left out as well, but never the same new items for everybody.
    assert all(bool(out_QN[:, new_N].all()) == (cost > 0) for out_QN in left_out)
    assert not any(bool(out_QN[:, ~new_N].all()) for out_QN in left_out)
