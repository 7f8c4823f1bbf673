"""Training without labels: it learns, touches no head, reads unlabelled rows, and resumes exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from polyscene.errors import ConfigError
from polyscene.training.assembly import build_model
from polyscene.training.run import train
from polyscene.training.selfsupervised import HistoryFitting
from tests.tiny import tiny_config, tiny_host, tiny_session

CONTRAST = ("auxiliary=[{name: history_contrast}]", "trainer.pretrain_steps=7")


class Interrupted(Exception):
    """Stands for a killed process."""


def fitting(folder: Path, *overrides: str, stop: int = 0) -> HistoryFitting:
    """The training of the shop's histories, not yet begun."""

    def advance(step: int) -> None:
        if stop and step == stop:
            raise Interrupted

    config = tiny_config("", ("shop",), *CONTRAST, *overrides)
    session = tiny_session(config)
    loaded = session.load()
    model = build_model(session, loaded)[0]
    return HistoryFitting(
        model, config, loaded.scenarios, Fabric(accelerator="cpu", devices=1), folder, 192, advance
    )


def state(one: HistoryFitting) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in one.model.state_dict().items()}


def test_it_learns_to_tell_histories_apart_and_leaves_heads_and_users_alone(tmp_path: Path) -> None:
    one = fitting(tmp_path, "trainer.pretrain_steps=20")
    before = state(one)
    losses = one.run()
    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.1
    moved = {
        name.split(".")[0]
        for name, value in one.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert {"sequence", "items", "user_bank", "item_bank"} <= moved
    assert not moved & {"tasks", "users"}


def test_labels_change_nothing_and_rows_need_none(tmp_path: Path) -> None:
    labelled, unlabelled = fitting(tmp_path / "a"), fitting(tmp_path / "b")
    shop = unlabelled.scenarios["shop"]
    three_R = torch.arange(len(shop.events.item_R)) < 3
    events = replace(shop.events, labelled_R=three_R, value_R=torch.zeros_like(shop.events.value_R))
    unlabelled.scenarios = {"shop": replace(shop, events=events)}
    labelled.run()
    unlabelled.run()
    assert all(torch.equal(value, state(unlabelled)[name]) for name, value in state(labelled).items())


def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = fitting(tmp_path / "whole")
    losses = whole.run()
    with pytest.raises(Interrupted):
        fitting(tmp_path / "parts", stop=6).run()
    resumed = fitting(tmp_path / "parts")
    assert resumed.run() == losses
    assert all(torch.equal(value, state(resumed)[name]) for name, value in state(whole).items())


def test_a_run_begins_with_it(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", ("shop", "facts"), *CONTRAST, "trainer.steps=5")
    train(config, tiny_host())
    assert "joint: 7 steps without labels" in (tmp_path / "run" / "log.txt").read_text()
    kept = tmp_path / "run" / "checkpoints" / "joint" / "histories" / "training.json"
    assert json.loads(kept.read_text())["step"] == 7


def test_scenarios_without_histories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no histories"):
        train(tiny_config(tmp_path / "run", ("facts",), *CONTRAST), tiny_host())


def test_steps_without_a_loss_are_refused() -> None:
    with pytest.raises(ConfigError, match="nothing is learned without labels"):
        tiny_config("", ("shop",), "trainer.pretrain_steps=7")
