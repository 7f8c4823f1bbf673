"""A model that holds more scenarios than it learns: what belongs to the others leaves training as it came."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from polyscene.adapters.bank import AdapterBank
from polyscene.model import PolysceneModel
from polyscene.training.assembly import build_model
from polyscene.training.held import HeldSlices, freeze_others
from tests.tiny import FACTS, PEOPLE, SHOP, THREE, tiny_config, tiny_fitting, tiny_model, tiny_session


def own(model: PolysceneModel, name: str) -> dict[str, Tensor]:
    """Everything that belongs to a scenario: its modules, the ids of its own space, its slices of the banks."""
    state = model.state_dict()
    parts = {
        key: tensor
        for key, tensor in state.items()
        if f".{name}." in f".{key}" or f"id-{name}-" in key or (name == FACTS and "tiny_entity" in key)
    }
    for label, bank in model.named_children():
        if isinstance(bank, AdapterBank):
            slices = {**bank.scenario_parameters(), **bank.scenario_buffers()}
            parts |= {f"{label}.{key}": tensor[model.index[name]] for key, tensor in slices.items()}
    return parts


@pytest.fixture(scope="module", params=["gate", "bottleneck", "star"])
def before_and_after(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PolysceneModel, PolysceneModel]:
    """A model of three scenarios, fresh and after the shop was learned with a strong weight decay."""
    config = tiny_config("", THREE, f"adapter={request.param}", "trainer.weight_decay=0.5", "trainer.patience=0")
    fitting = tiny_fitting(config, tmp_path_factory.mktemp("held") / "checkpoint")
    fitting.scenarios = {SHOP: fitting.scenarios[SHOP]}
    fitting.subjects = {SHOP: fitting.subjects[SHOP]}
    fitting.run()
    session = tiny_session(config)
    return build_model(session, session.load())[0], fitting.model


@pytest.mark.parametrize("name", [PEOPLE, FACTS])
def test_what_belongs_to_others_is_unchanged(
    name: str, before_and_after: tuple[PolysceneModel, PolysceneModel]
) -> None:
    before, after = (own(model, name) for model in before_and_after)
    assert any(key.startswith("user_bank") for key in before)
    assert any(key.startswith("items.") for key in before)
    assert [key for key, tensor in before.items() if not torch.equal(tensor, after[key])] == []


def test_what_is_learned_or_shared_has_moved(before_and_after: tuple[PolysceneModel, PolysceneModel]) -> None:
    before, after = before_and_after
    moved = [key for key, tensor in own(before, SHOP).items() if not torch.equal(tensor, own(after, SHOP)[key])]
    assert any(key.startswith("user_bank") for key in moved)
    assert any(key.startswith("items.shop") for key in moved)
    for key in ("sequence.begin_d", "shared.modules_by_key.id-tiny_person.vector_Md"):
        assert not torch.equal(before.state_dict()[key], after.state_dict()[key]), key


def test_what_belongs_to_others_alone_takes_no_gradient() -> None:
    model, *_ = tiny_model(THREE)
    wanted = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    freeze_others(model, [SHOP])
    frozen = wanted - {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert frozen == {key for key in wanted if f".{PEOPLE}." in key or f".{FACTS}." in key}
    assert any(key.startswith("tasks.people") for key in frozen)


def test_a_model_that_learns_all_keeps_nothing_back(tmp_path: Path) -> None:
    model = tiny_fitting(tiny_config("", THREE), tmp_path / "checkpoint").model
    wanted = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    freeze_others(model, THREE)
    assert {key for key, parameter in model.named_parameters() if parameter.requires_grad} == wanted
    assert HeldSlices(model, THREE).kept == []
