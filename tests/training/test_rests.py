"""Scenarios that rest: when they do, what their rest leaves alone, and that a stopped run knows who rested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from polyscene.data.sampling import MixedSampler
from polyscene.evaluation import validation
from polyscene.training import fit
from polyscene.training.rests import Rests
from tests.tiny import PEOPLE, SHOP, THREE, tiny_config, tiny_fitting
from tests.training.test_held import own

FEW = ("trainer.steps=20", "trainer.eval_every=5", "trainer.patience=0", "trainer.rest_after=1")
# The shop is best at first and rests from step 10 on; it has lost more than a fiftieth at step 15.
SCORES = ({SHOP: 0.5, PEOPLE: 0.1}, {SHOP: 0.4, PEOPLE: 0.2}, {SHOP: 0.39, PEOPLE: 0.3}, {SHOP: 0.4, PEOPLE: 0.4})


def test_a_scenario_rests_after_evaluations_without_improvement() -> None:
    rests = Rests(after=2)
    assert [rests.judge({"a": score, "b": place}) for place, score in enumerate([0.3, 0.2, 0.3])] == [0, 0, 1]
    assert rests.resting == {"a": 0.3}
    assert rests.awake(["a", "b", "c"]) == ["b", "c"]


def test_a_scenario_that_pays_for_the_others_is_woken() -> None:
    rests = Rests(after=1)
    assert [rests.judge({"a": score}) for score in [0.3, 0.3, 0.295, 0.293]] == [False, True, False, True]
    assert rests.awake(["a"]) == ["a"]


def test_nobody_rests_unless_asked_for() -> None:
    rests = Rests(after=0)
    assert not any(rests.judge({"a": 0.3}) for _ in range(9))


def test_the_last_one_to_rest_ends_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "validation_score", lambda *_: {SHOP: 0.5})
    state = tiny_fitting(tiny_config("", (SHOP,), *FEW), tmp_path).run()
    assert (state.step, state.ended) == (10, True)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Scores as written above, whatever the model; the names of the scenarios in each batch that is drawn."""
    drawn: list[set[str]] = []
    original = MixedSampler.draw

    def draw(self: MixedSampler, step: int, *without: Any) -> Any:
        batch = original(self, step, *without)
        drawn.append(set(batch))
        return batch

    monkeypatch.setattr(MixedSampler, "draw", draw)
    monkeypatch.setattr(validation, "validation_score", lambda *_: SCORES[(len(drawn) - 1) // 5])
    return drawn


@pytest.mark.parametrize("adapter", ["gate", "star"])
def test_what_belongs_to_a_resting_scenario_stays(adapter: str, scripted: list[set[str]], tmp_path: Path) -> None:
    config = tiny_config("", THREE, *FEW, f"adapter={adapter}", "trainer.weight_decay=0.5")
    fitting = tiny_fitting(config, tmp_path)
    at: dict[int, dict[str, torch.Tensor]] = {}
    fitting.progress.step = lambda step: at.update(
        {step: {name: tensor.clone() for name, tensor in own(fitting.model, SHOP).items()}}
    )
    fitting.run()
    assert [SHOP in names for names in scripted] == [True] * 10 + [False] * 5 + [True] * 5
    assert all(PEOPLE in names for names in scripted)
    learned = {name for name, tensor in at[10].items() if not torch.equal(tensor, at[5][name])}
    assert any(name.startswith("user_bank") for name in learned)
    assert [name for name, tensor in at[10].items() if not torch.equal(tensor, at[15][name])] == []
    assert any(not torch.equal(tensor, at[15][name]) for name, tensor in at[20].items())


def test_a_stopped_run_knows_who_rested(
    scripted: list[set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config("", THREE, *FEW)
    whole = tiny_fitting(config, tmp_path / "whole")
    whole.run()
    scripted.clear()
    stopped = tiny_fitting(config, tmp_path / "stopped")
    with monkeypatch.context() as patched:
        patched.setattr(fit, "set_learning_rate", _stop_at(12))
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    del scripted[10:]
    resumed = tiny_fitting(config, tmp_path / "stopped")
    resumed.run()
    once, again = whole.model.state_dict(), resumed.model.state_dict()
    assert [name for name, tensor in once.items() if not torch.equal(tensor, again[name])] == []


def _stop_at(step: int) -> Any:
    calls: list[int] = []

    def stopping(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) > step:
            raise KeyboardInterrupt
        fit_set(*arguments)

    return stopping


fit_set = fit.set_learning_rate
