"""A step of every strategy and every task waits for nothing: it runs on tensors of a device that have no values.

What a step consists of is seen closer by in tests/model, tests/training/meta and the balancers' tests; here it is
whole: objective, balancer, gradients. Adaptation to a new scenario is a multitask step with the others frozen.
"""

from __future__ import annotations

import gc
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.config.choice import chosen
from polyscene.registry.components import Registry
from polyscene.tasks.bi_encoder import BiEncoderConfig, BiEncoderTask
from polyscene.tasks.kg_bert import KgBertConfig, KgBertTask
from polyscene.tasks.task import Task
from polyscene.training.fit import task_weights
from polyscene.training.meta.episodes import Episodes
from polyscene.training.meta.objective import MetaObjective
from polyscene.training.objective import ObjectiveContext
from polyscene.training.step import Step
from tests.backbone.conftest import tiny
from tests.model.test_device_hygiene import DEVICE, TASKS, draw, fake
from tests.tasks.conftest import registry
from tests.tasks.small import Table
from tests.tasks.test_reading_facts import TUNED, context, small_backbone, training_rows
from tests.tiny import ADS, ALL, SHOP, tiny_host, tiny_model

__all__ = ["registry", "tiny"]

READING = {"bi_encoder": (BiEncoderTask, BiEncoderConfig), "kg_bert": (KgBertTask, KgBertConfig)}
ELSEWHERE = {"cross"}  # tests/tasks/test_cross.py
FABRIC: Any = SimpleNamespace(
    device=torch.device(DEVICE),
    world_size=1,
    global_rank=0,
    autocast=nullcontext,
    no_backward_sync=lambda *_, **__: nullcontext(),
    backward=lambda loss, **options: loss.backward(**options),
)


BALANCED = ("router=recognition", "balancer=gradnorm")
STRATEGIES = [
    ("multitask", ALL, ()),
    ("multitask", (SHOP, ADS), BALANCED),
    ("single", (SHOP,), ()),
    ("meta", (SHOP, ADS), BALANCED),
]


@pytest.mark.parametrize(("name", "names", "options"), STRATEGIES)
def test_a_step_of_a_strategy(name: str, names: tuple[str, ...], options: tuple[str, ...]) -> None:
    model, loaded, config = tiny_model(names, *options)
    few = {"support": 3, "query": 2, "tasks": 2, "inner_steps": 1} if name == "meta" else {}
    strategy = chosen("strategy", {"name": name, **few}, tiny_host()).build()
    objective = strategy.objective(ObjectiveContext(config, model, loaded.scenarios))
    batch = {key: fake(windows) for key, windows in draw(loaded, model).items()}
    if isinstance(objective, MetaObjective):
        episodes = {key: moved(objective.draw(key, 0)) for key in objective.samplers}
        objective.draw = lambda name, *_: episodes[name]  # type: ignore[method-assign]  # drawing has a test of its own
    model.to(DEVICE).train()
    objective.to(DEVICE)
    wrapped: Any = model
    step = Step(model, wrapped, FABRIC, task_weights(loaded.scenarios))
    with FakeTensorMode(allow_non_fake_inputs=True):
        losses = objective.backward(step, 0, batch, last=True)
        objective.after_step(step, 0, batch, losses)
    assert {name.partition("/")[0] for name in losses} >= set(names)
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


@pytest.mark.parametrize(("name", "names", "options"), STRATEGIES)
def test_a_step_leaves_no_tensors_for_the_garbage_collector(
    name: str, names: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """It comes seldom and knows nothing of how large tensors are: those of a step must go with their last name."""
    model, loaded, config = tiny_model(names, *options)
    few = {"support": 3, "query": 2, "tasks": 2, "inner_steps": 1} if name == "meta" else {}
    objective = (
        chosen("strategy", {"name": name, **few}, tiny_host())
        .build()
        .objective(ObjectiveContext(config, model, loaded.scenarios))
    )
    step = Step(model, cast("Any", model), FABRIC, task_weights(loaded.scenarios))
    model.train()
    gc.collect()
    gc.disable()
    try:
        for number in range(2):
            objective.backward(step, number, draw(loaded, model), last=True)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [tuple(one.shape) for one in gc.garbage if isinstance(one, Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def moved(episodes: Episodes) -> Episodes:
    """The same shapes on the device without values."""
    masks = {key: value.to(DEVICE) for key, value in vars(episodes).items() if isinstance(value, Tensor)}
    return type(episodes)(**{**vars(episodes), **masks, "windows": fake(episodes.windows)})


@pytest.mark.parametrize("name", READING)
@pytest.mark.parametrize("options", [{}, TUNED], ids=["frozen", "tuned"])
def test_a_step_of_a_task_that_reads_facts(
    name: str, options: dict[str, Any], registry: Registry, tiny: Path, tmp_path: Path
) -> None:
    known = context(registry, backbone=small_backbone(tiny, tmp_path, **options))
    build, config = READING[name]
    task: Task = build(config(), known)  # type: ignore[arg-type]
    windows, table = fake(training_rows(known)), Table(torch.zeros(4, 8, device=DEVICE))
    assert known.shared is not None
    for module in (task, known.shared, *task.reader.shared.values()):  # type: ignore[attr-defined]
        module.to(DEVICE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        loss = task.train().loss(task.query(windows, table), windows, table).sum()
        loss.backward()
    assert loss.device.type == DEVICE
    assert any(p.grad is not None for p in task.parameters())


def test_every_strategy_and_every_task_is_among_them() -> None:
    host = tiny_host()
    assert {name for name, _, _ in STRATEGIES} == set(host.registry.names("strategy"))
    whole = {spec.name for name in TASKS for spec in host.scenario(name).tasks}
    assert whole | set(READING) | ELSEWHERE == set(host.registry.names("task"))
