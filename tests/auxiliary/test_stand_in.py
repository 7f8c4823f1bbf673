"""The stand-in learns what new items need and teaches nothing else; it serves new items only."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from polyscene.data.sampling import MixedSampler, Share, WindowSampler
from polyscene.data.windows import Windows
from polyscene.features.entity import EntityEncoder
from polyscene.model import PolysceneModel
from polyscene.training.loading import Loaded
from tests.tiny import ALL, PEOPLE, SHOP, tiny_model

STAND_IN = "auxiliary=[{name: stand_in}]"


def batch_of(loaded: Loaded) -> dict[str, Windows]:
    samplers = {name: WindowSampler(one.events, one.config.max_history) for name, one in loaded.scenarios.items()}
    return MixedSampler(samplers, dict.fromkeys(samplers, 1.0), Share(0.5, 64, 2), seed=0).draw(0)


def learn(model: PolysceneModel, batch: dict[str, Windows], steps: int) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)
        loss = model.train()(batch)[SHOP]["stand_in"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.fixture
def tiny() -> tuple[PolysceneModel, Loaded]:
    model, loaded, _ = tiny_model([SHOP], STAND_IN, "model.content_dropout=0")
    return model, loaded


def items(model: PolysceneModel) -> EntityEncoder:
    encoder = model.items[SHOP]
    assert isinstance(encoder, EntityEncoder)
    return encoder


def vectors(model: PolysceneModel) -> tuple[Tensor, Tensor]:
    """Of known and of new items, as they are served."""
    row = torch.arange(model.n_items[SHOP])
    identity = next(one for one in items(model).encoders.values() if one.is_identity)
    new = identity.counts(row) == 0
    x_Nd = items(model).eval()(row)
    return x_Nd[~new], x_Nd[new]


def test_it_concerns_scenarios_that_rank_items_with_ids_and_content() -> None:
    model, _, _ = tiny_model(ALL, STAND_IN)
    assert {name for name in model.names if model.auxiliaries_of(name)} == {SHOP, PEOPLE, "likes"}


def test_only_the_stand_in_learns(tiny: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = tiny
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.train()(batch_of(loaded))[SHOP]["stand_in"].backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert touched == {name for name in before if ".stand_in." in name}
    assert all(p.requires_grad for p in model.tasks.parameters())


def test_it_learns_and_is_seen_in_new_items_alone(tiny: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = tiny
    with torch.no_grad():
        known, new = vectors(model)
    losses = learn(model, batch_of(loaded), 30)
    assert losses[-1] < losses[0] - 0.05
    with torch.no_grad():
        still, moved = vectors(model)
    assert torch.equal(known, still)
    assert len(new)
    assert not torch.isclose(new, moved).all(dim=1).any()


def test_without_it_there_is_nothing_to_learn() -> None:
    model, _, _ = tiny_model([SHOP])
    assert not items(model).has_stand_in
    assert not any("stand_in" in name for name, _ in model.named_parameters())
