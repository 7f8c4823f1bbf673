"""AdaLoRA's directions are given up by importance, for each scenario, until its budget is met."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from polyscene.adapters.bank import Routing
from polyscene.backbone import Suffix
from polyscene.backbone.adapters import AdaLoraLinear
from polyscene.config.schema import TrainerConfig
from polyscene.training.optimizer import build_optimizer
from tests.backbone.adapters.worlds import backbone, inputs

OPTIONS = {"name": "adalora", "rank": 4, "target_rank": 1, "every": 2, "warmup": 0.2, "settle": 0.3}
STEPS = 20


@pytest.fixture
def world(tiny: Path, tmp_path: Path) -> tuple[Suffix, Tensor, Tensor]:
    of = backbone(tiny, tmp_path, OPTIONS)
    suffix = of.suffix_module()
    for name in ("video", "music", "absent"):
        suffix.join(name)
    return suffix, *inputs(of)


def ranks(suffix: Suffix) -> Tensor:
    """Directions in use by scenario."""
    modules = [module for module in suffix.adapted().values() if isinstance(module, AdaLoraLinear)]
    return torch.cat([module.lora_E_Kr for module in modules], 1).count_nonzero(1)


def train(suffix: Suffix, states: Tensor, mask: Tensor, steps: int) -> list[list[int]]:
    trainer = TrainerConfig(steps=STEPS, lr=0.01, weight_decay=0.0)
    optimizer = build_optimizer(suffix, trainer)
    generator = torch.Generator().manual_seed(0)
    goal = torch.randn(len(states), states.shape[-1], generator=generator)
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        routing = Routing(index_N=torch.tensor([0, 1, 0, 1]))
        (suffix(states, mask, routing) * goal).sum().backward()
        optimizer.step()
        found.append(ranks(suffix).tolist())
    return found


def test_the_rank_falls_from_the_first_to_the_last_budget(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    found = train(suffix, states, mask, STEPS)
    video = [one[0] for one in found]
    matrices = len(suffix.adapted())
    assert video[3] == matrices * 4, "nothing is given up in the warm-up"
    assert video[-1] == matrices * 1
    at_choices = video[5::2]
    assert at_choices == sorted(at_choices, reverse=True)
    assert all(one[1] == matrices for one in found[-2:])


def test_a_scenario_that_is_not_in_the_batch_is_left_alone(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    before = {name: p[2].clone() for name, p in suffix.scenario_parameters().items()}
    train(suffix, states, mask, 6)
    for name, parameter in suffix.scenario_parameters().items():
        assert torch.equal(parameter[2], before[name]), name
    for name, buffer in suffix.named_buffers():
        if "importance" in name or "uncertainty" in name:
            assert not buffer[2].any(), name
            assert buffer[0].any(), name


def test_the_penalty_makes_directions_orthonormal(tiny: Path, tmp_path: Path) -> None:
    def distance(weight: float) -> float:
        of = backbone(tiny, tmp_path, {**OPTIONS, "orthogonality": weight})
        torch.manual_seed(0)
        suffix = of.suffix_module()
        suffix.join("video"), suffix.join("music")
        train(suffix, *inputs(of), STEPS)
        a_Kri = next(p for name, p in suffix.scenario_parameters().items() if "lora_A" in name)
        return float((a_Kri[0].detach() @ a_Kri[0].T - torch.eye(4)).norm())

    assert distance(10.0) < 0.9 * distance(0.0)


def test_the_schedule_goes_on_where_it_stopped(
    world: tuple[Suffix, Tensor, Tensor], tiny: Path, tmp_path: Path
) -> None:
    suffix, states, mask = world
    train(suffix, states, mask, 3)
    assert int(suffix.budget.step) == 3
    assert "budget.step" in suffix.state_dict()


def test_a_step_in_which_nobody_reads_text_changes_nothing(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix = world[0]
    optimizer = build_optimizer(suffix, TrainerConfig(steps=STEPS))
    before = {name: p.clone() for name, p in suffix.scenario_parameters().items()}
    optimizer.step()
    assert all(torch.equal(p, before[name]) for name, p in suffix.scenario_parameters().items())
