"""On a GPU: a step of every part waits for nothing, a run can be repeated, and scores are those of the CPU.

Fake tensors see a value that the host asks for (``test_device_hygiene``); only a device sees copies that make it
wait the other way round. Skipped, and said so, where there is no GPU.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from polyscene.adapters import COMPONENTS as ADAPTERS
from polyscene.evaluation.evaluator import model_scorer
from polyscene.evaluation.requests import POPULATIONS
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress, task_weights
from polyscene.training.meta.algorithms import ALGORITHMS
from polyscene.training.objective import ObjectiveContext
from polyscene.training.optimizer import build_optimizer, clip_gradients
from polyscene.training.run import train
from polyscene.training.session import Session, prepare_torch
from polyscene.training.step import Step, seed_step
from tests.backbone.conftest import tiny as tiny_bert
from tests.tiny import ALL, PEOPLE, SHOP, tiny_config, tiny_host, tiny_model, tiny_session
from tests.training.test_resume import Stop, assert_same, stop_in

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU: devices are compared on fake ones only"
)

tiny = tiny_bert
GPU = "trainer.accelerator=cuda"
FEW = ("strategy.support=3", "strategy.query=3")
LOSS_BALANCERS = ("mean", "uncertainty", "dwa", "stch", "famo", "geometric", "imtl_l", "random")
GRADIENT_BALANCERS = ("upgrad", "pcgrad", "gradnorm", "mgda")
MADE_OF_OTHERS = ("stack", "parallel", "fusion")
PARTS = [
    *(f"adapter={one.name}" for one in ADAPTERS if one.name not in MADE_OF_OTHERS),
    *(f"balancer={name}" for name in LOSS_BALANCERS),
    *(f"sequence={name}" for name in ("mean", "attention", "gru")),
    "router=recognition",
    "auxiliary=[{name: alignment, weight: 0.1}]",
    "model.count_gate=true",
    "trainer.precision=bf16-mixed",
]


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raises where the host waits for the device."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def steps(names: tuple[str, ...], *overrides: str) -> Callable[[int], dict[str, torch.Tensor]]:
    """A training on the GPU, step by step, as the loop does it."""
    config = tiny_config("", names, *overrides, GPU)
    prepare_torch(config)
    fabric = Fabric(accelerator="cuda", devices=1, precision=config.trainer.precision)
    session = Session(config, tiny_host(), fabric.device, say=lambda _: None)
    loaded = session.load()
    model, learned = build_model(session, loaded)
    context = ObjectiveContext(config, model, loaded.scenarios)
    objective = config.strategy.build().objective(context).to(fabric.device)
    plain = build_optimizer(nn.ModuleList([model, objective]), config.trainer)
    sampler = Fitting(
        model, learned, config, loaded.scenarios, {}, fabric, Path(), Progress(), config.trainer.batch_rows
    )._sampler()
    wrapped, optimizer = fabric.setup(model, plain)
    step = Step(model, wrapped, fabric, task_weights(loaded.scenarios, config.auxiliary), 1, config.seed)

    def one(number: int) -> dict[str, torch.Tensor]:
        wrapped.train()
        batch = sampler.draw(number)
        seed_step(config.seed, number, 0)
        losses = objective.backward(step, number, batch, last=True)
        clip_gradients(fabric, plain, model.router, config.trainer.clip)
        optimizer.step()
        objective.after_step(step, number, batch, losses)
        optimizer.zero_grad(set_to_none=True)
        return losses

    return one


@pytest.mark.parametrize("part", PARTS)
def test_a_step_waits_for_nothing(part: str) -> None:
    step = steps(ALL, part)
    for number in range(3):
        step(number)
    with no_waiting():
        losses = step(3)
    assert all(loss.is_cuda and loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_step_of_meta_learning_waits_for_nothing(algorithm: str) -> None:
    step = steps((SHOP, PEOPLE), "strategy=meta", f"strategy.algorithm={algorithm}", *FEW)
    for number in range(3):
        step(number)
    with no_waiting():
        step(3)


@pytest.mark.parametrize("balancer", GRADIENT_BALANCERS)
def test_gradient_balancers_run(balancer: str) -> None:
    """Their solvers ask the host; that they get there and stay finite is what is seen here."""
    step = steps((SHOP, PEOPLE), f"balancer={balancer}")
    assert all(loss.isfinite() for number in range(3) for loss in step(number).values())


def test_the_check_itself_sees_a_wait() -> None:
    with pytest.raises(RuntimeError, match="synchron"), no_waiting():
        torch.ones(3, device="cuda").sum().item()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (ALL, ("adapter=gate", "model.count_gate=true")),
        (ALL, ("adapter=mmoe", "trainer.precision=bf16-mixed")),
        (ALL, ("router=recognition", "auxiliary=[{name: alignment, weight: 0.1}]")),
        (ALL, ("balancer=upgrad",)),
        ((SHOP, PEOPLE), ("strategy=meta", *FEW)),
    ],
)
def test_a_run_can_be_repeated_to_the_bit(names: tuple[str, ...], parts: tuple[str, ...], tmp_path: Path) -> None:
    first, second = (train(tiny_config(tmp_path / name, names, *parts, GPU), tiny_host()) for name in "ab")
    assert_same(first, second)


def test_a_run_with_lora_in_the_backbone_can_be_repeated_to_the_bit(tiny: Path, tmp_path: Path) -> None:
    parts = ("backbone=lora", f"backbone.model={tiny}", "backbone.max_len=32", GPU)
    text = {"columns": {"items": {"id": "id", "text": "text"}}}
    configs = [
        tiny_config(tmp_path / name, (SHOP,), *parts, f"data.cache={tmp_path / 'cache'}", shop=text)
        for name in "ab"
    ]
    assert_same(*(train(config, tiny_host()) for config in configs))


def test_an_interrupted_run_ends_with_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, whole = (tiny_config(tmp_path / name, ALL, GPU) for name in ("stopped", "whole"))
    with monkeypatch.context() as patch:
        stop_in(patch, "save_training", 2, after=True)
        with pytest.raises(Stop):
            train(stopped, tiny_host())
    assert_same(train(stopped, tiny_host()), train(whole, tiny_host()))


@pytest.mark.parametrize("adapter", [one.name for one in ADAPTERS if one.name not in MADE_OF_OTHERS])
def test_scores_are_those_of_the_cpu(adapter: str) -> None:
    model, loaded, config = tiny_model((SHOP, PEOPLE), f"adapter={adapter}")
    session = tiny_session(config)
    elsewhere = copy.deepcopy(model).to("cuda").eval()
    model.eval()
    for name, one in loaded.scenarios.items():
        here, there = session.subject(name, one), Session(config, tiny_host(), torch.device("cuda"), print)
        scores = []
        for subject, owner in ((here, model), (there.subject(name, one), elsewhere)):
            scorer = model_scorer(owner, subject, one.config.max_history)
            view = one.scenario.views[0]
            with torch.inference_mode():
                scores += [scorer(requests, view).cpu() for requests in subject.requests(POPULATIONS[0], view)]
        half = len(scores) // 2
        for cpu, gpu in zip(scores[:half], scores[half:], strict=True):
            torch.testing.assert_close(gpu, cpu, rtol=1e-4, atol=1e-4)
