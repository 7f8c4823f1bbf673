"""Alignment: the loss by hand, whom it concerns, what it teaches, and what a config may not say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from polyscene.auxiliary.alignment import info_nce
from polyscene.data.sampling import MixedSampler, Share, WindowSampler
from polyscene.errors import ConfigError
from polyscene.training.fit import task_weights
from polyscene.training.step import step_losses
from tests.tiny import ALL, FACTS, LIKES, SHOP, tiny_config, tiny_model

ALIGNED = "auxiliary=[{name: alignment, weight: 0.5, items: 64}]"


def test_info_nce_by_hand_and_an_item_is_no_negative_of_itself() -> None:
    z, f = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    item = torch.tensor([5, 7, 5, 9])
    cosine = functional.normalize(z, dim=-1).numpy() @ functional.normalize(f, dim=-1).numpy().T
    weight = np.exp(cosine / 0.5)
    weight[0, 2] = weight[2, 0] = 0
    expected = -np.log(weight.diagonal() / weight.sum(axis=1)).mean()
    assert info_nce(z, f, item, 0.5).item() == pytest.approx(expected, rel=1e-5)


def test_it_concerns_scenarios_whose_items_have_ids_and_content() -> None:
    model, _, _ = tiny_model(ALL, ALIGNED)
    assert {name for name in model.names if model.auxiliaries_of(name)} == {SHOP, "people", LIKES}
    only, _, _ = tiny_model(ALL, "auxiliary=[{name: alignment, scenarios: [likes]}]")
    assert {name for name in only.names if only.auxiliaries_of(name)} == {LIKES}


def test_the_loss_stands_beside_the_tasks_with_its_weight_and_aligns() -> None:
    model, loaded, config = tiny_model((SHOP, FACTS), ALIGNED, "model.content_dropout=0")
    samplers = {name: WindowSampler(one.events, one.config.max_history) for name, one in loaded.scenarios.items()}
    batch = MixedSampler(samplers, dict.fromkeys(samplers, 1.0), Share(0.5, 64, 2), seed=0).draw(0)
    weights = task_weights(loaded.scenarios, config.auxiliary)
    assert weights[SHOP]["alignment"] == 0.5
    torch.manual_seed(0)
    found = model.train()(batch)
    assert set(found[SHOP]) == {"ranking", "rating", "alignment"}
    assert set(found[FACTS]) == {"triple"}
    doubled = {name: {**own, "alignment": 1.0} for name, own in weights.items()}
    losses = []
    for chosen in (weights, doubled):
        torch.manual_seed(0)
        losses.append(step_losses(model, batch, chosen)[SHOP])
    assert (losses[1] - losses[0]).item() == pytest.approx(0.5 * found[SHOP]["alignment"].item(), rel=1e-4)

    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(30):
        torch.manual_seed(step)
        loss = model(batch)[SHOP]["alignment"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.9 * found[SHOP]["alignment"].item()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("auxiliary=[{name: alignmnt}]", "did you mean 'alignment'"),
        ("auxiliary=[{name: alignment, weight: -1}]", "at least 0 is expected"),
        ("auxiliary=[{name: alignment, temperature: 0}]", "temperature is 0"),
        ("auxiliary=[alignment, alignment]", "'alignment' 2 times"),
        ("auxiliary=[{name: alignment, scenarios: [shp]}]", "names the scenario 'shp', which is not chosen"),
        ("auxiliary=alignment", "write a list"),
    ],
)
def test_what_a_config_may_not_say(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tiny_config("", ALL, given)
