"""Episodes that adapt what stands inside the backbone: a scenario's LoRA in the last layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from polyscene.backbone import BackboneConfig, Suffix
from polyscene.data.columns import Text
from polyscene.testing.state import randomize
from polyscene.training.assembly import build_model
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.objective import MetaObjective
from polyscene.training.meta.tasks import SceneTasks
from polyscene.training.objective import ObjectiveContext
from tests.tiny import FACTS, SHOP, tiny_config, tiny_session
from tests.training.meta.scenes import SMALL, plain_loop


@pytest.mark.parametrize("fast", [["suffix"], ["adapter", "head", "suffix"]])
def test_tasks_at_once_are_the_plain_loop_in_the_suffix(tiny: Path, tmp_path: Path, fast: list[str]) -> None:
    config = tiny_config("", (SHOP, FACTS))
    config.data.cache = str(tmp_path)
    config.backbone = BackboneConfig(
        model=str(tiny), dtype="float32", tune="suffix", suffix_layers=1, max_len=8, peft="lora"
    )
    loaded = tiny_session(config).load()
    shop = loaded.scenarios[SHOP]
    read = replace(shop, scenario=replace(shop.scenario, item_columns=(Text(), *shop.scenario.item_columns)))
    loaded = replace(loaded, scenarios={**loaded.scenarios, SHOP: read})
    model, _ = build_model(tiny_session(config), loaded)
    randomize(model)
    context = ObjectiveContext(config, model.eval(), {SHOP: read})
    found = MetaObjective(context, MetaConfig(**SMALL, algorithm="maml", fast=fast))  # type: ignore[arg-type]

    scene, episodes = found.learner.scenes[SHOP], found.draw(SHOP, 0)
    suffix = next(module for module in model.modules() if isinstance(module, Suffix))
    own = list(suffix.scenario_parameters().values())
    assert own
    ours = found.learner.algorithm.loss(SceneTasks(scene, episodes, torch.tensor(0.5)))
    with sdpa_kernel(SDPBackend.MATH):
        plain = plain_loop(found.learner, SHOP, episodes, 0.05, 2, order=2)
        both = [torch.autograd.grad(loss.mean(), own) for loss in (ours, plain)]
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    assert all(gradient.abs().sum() > 0 for gradient in both[0])
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
