"""A scene is the model's own forward pass, for every kind of adapter; vectorized it is the plain loop."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from polyscene.adapters import COMPONENTS as ADAPTERS
from polyscene.training.meta.tasks import SceneTasks
from tests.tiny import ADS, ALL, FACTS, LIKES, SHOP
from tests.training.meta.scenes import objective, plain_loop

MIDDLE = torch.tensor(0.5)


@pytest.mark.parametrize("kind", [component.name for component in ADAPTERS])
def test_a_scene_is_the_models_forward_pass(kind: str) -> None:
    found, model = objective((SHOP, ADS), f"adapter={kind}", algorithm="maml")
    for name, scene in found.learner.scenes.items():
        windows = found.draw(name, 0).windows
        common = scene.common(MIDDLE)
        ours = scene.losses(scene.start(), windows, scene.given(windows, common), common)
        weights = scene.weights
        theirs = sum(
            weights[task] * loss for task, loss in model({name: windows})[name].items() if task in weights
        )
        valid = windows.valid_BT
        torch.testing.assert_close(ours[valid], theirs[valid], rtol=1e-4, atol=1e-5)  # type: ignore[index]


@pytest.mark.parametrize("kind", ["lora", "star", "m3oe"])
def test_tasks_at_once_are_the_plain_loop_to_second_order(kind: str) -> None:
    found, model = objective((SHOP, LIKES), f"adapter={kind}", double=True, algorithm="maml")
    check_against_plain_loop(found, model, order=2)


@pytest.mark.parametrize("algorithm", ["fomaml", "anil", "boil", "cavia", "metasgd"])
@pytest.mark.parametrize("task", ["user", "scenario"])
def test_every_algorithm_is_the_plain_loop(algorithm: str, task: str) -> None:
    names = (ADS,) if task == "user" else (FACTS,)
    found, model = objective(names, double=True, algorithm=algorithm, task=task)
    check_against_plain_loop(found, model, order=1 if algorithm == "fomaml" else 2)


def check_against_plain_loop(found, model, *, order: int) -> None:  # type: ignore[no-untyped-def]
    for name in found.samplers:
        episodes = found.draw(name, 0)
        tasks = SceneTasks(found.learner.scenes[name], episodes, MIDDLE)
        ours = found.learner.algorithm.loss(tasks)
        with sdpa_kernel(SDPBackend.MATH):
            plain = plain_loop(found.learner, name, episodes, 0.05, 2, order=order)
        torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-9)
        parameters = [p for p in model.parameters() if p.requires_grad]
        both = [torch.autograd.grad(loss.mean(), parameters, allow_unused=True) for loss in (ours, plain)]
        assert any(g is not None and g.abs().sum() > 0 for g in both[0])
        for one, other in zip(*both, strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def test_a_task_holds_what_is_its_own_and_no_stack() -> None:
    few, _ = objective((SHOP,), "adapter=lora", algorithm="maml")
    many, model = objective(ALL, "adapter=lora", algorithm="maml")
    assert few.learner.bytes_per_task(SHOP) == many.learner.bytes_per_task(SHOP)
    start = many.learner.scenes[SHOP].start()
    own = sum(bank.parameters_per_scenario() for bank in (model.user_bank, model.item_bank))
    own += sum(p.numel() for p in model.tasks[SHOP].parameters() if p.requires_grad)
    assert sum(value.numel() for value in start.values()) == own


@pytest.mark.parametrize("groups", [["body"], ["head", "body"]])
def test_tables_that_are_looked_up_are_never_fast(groups: list[str]) -> None:
    found, _ = objective((SHOP,), algorithm="maml", fast=groups)
    assert not [name for name in found.learner.scenes[SHOP].start() if "vector_" in name]
