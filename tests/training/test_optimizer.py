"""The learning rate by hand, and which parameters are decayed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from polyscene.adapters.bank import AdapterBank
from polyscene.adapters.bottleneck import Bottleneck, BottleneckConfig
from polyscene.adapters.gate import Gate, GateConfig
from polyscene.config.schema import TrainerConfig
from polyscene.training.optimizer import build_optimizer, learning_rate, set_learning_rate


def rates(schedule: str, **options: float) -> list[float]:
    trainer = TrainerConfig(steps=14, warmup=4, lr=2.0, schedule=schedule, **options)  # type: ignore[arg-type]
    return [learning_rate(step, trainer) for step in range(15)]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_warm_up_rises_linearly_to_the_peak(schedule: str) -> None:
    assert rates(schedule)[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])


def test_after_the_warm_up() -> None:
    assert rates("constant")[4:] == pytest.approx([2.0] * 11)
    assert rates("linear")[4:] == pytest.approx([2 * (0.1 + 0.9 * (1 - k / 10)) for k in range(11)])
    cosine = rates("cosine")
    assert cosine[4:] == pytest.approx([2 * (0.1 + 0.45 * (1 + math.cos(math.pi * k / 10))) for k in range(11)])
    assert cosine[9] == pytest.approx(2 * 0.55)
    assert cosine[14] == pytest.approx(0.2)


def test_without_warm_up_the_peak_is_first() -> None:
    trainer = TrainerConfig(steps=10, warmup=0, lr=1.0)
    assert learning_rate(0, trainer) == 1.0
    assert learning_rate(100, trainer) == pytest.approx(0.1)


def test_matrices_are_decayed_and_vectors_are_not() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    model[0].weight.requires_grad_(True)
    model.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)
    optimizer = build_optimizer(model, TrainerConfig(weight_decay=0.3))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decay == {
        id(model[0].weight): 0.3,
        id(model[0].bias): 0.0,
        id(model[1].weight): 0.0,
        id(model[1].bias): 0.0,
    }


@pytest.mark.parametrize(
    ("bank", "decayed"), [(Gate(GateConfig(), 4, 3), 0), (Bottleneck(BottleneckConfig(2), 4, 3), 2)]
)
def test_vectors_of_scenarios_are_vectors(bank: AdapterBank, decayed: int) -> None:
    """A gate's weights, ``[K, d]``, would be pulled from 1 to 0."""
    optimizer = build_optimizer(bank, TrainerConfig(weight_decay=0.1))
    assert sum(len(group["params"]) for group in optimizer.param_groups if group["weight_decay"]) == decayed


def test_the_rate_is_set_for_all_groups() -> None:
    optimizer = build_optimizer(nn.Linear(2, 2), TrainerConfig())
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
