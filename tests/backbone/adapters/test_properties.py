"""What every kind of adapter inside the backbone must keep to."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.adapters.bank import Routing
from polyscene.backbone import Suffix
from polyscene.backbone.adapters import Adapted
from polyscene.training.checkpoint import load_state, unique_state
from tests.backbone.adapters.worlds import KINDS, backbone, filled, inputs, one

FOUR = ("video", "music", "social", "kg")


# All layers are the same code as some of them; the kinds that know the difference are tried on both.
WORLDS = [(kind, "suffix") for kind in KINDS] + [("lora", "full"), ("prefix", "full")]


@cache
def fresh(tiny: Path, store: Path, kind: str, tune: str) -> tuple[Suffix, Tensor, Tensor]:
    of = backbone(tiny, store, KINDS[kind], tune)
    suffix = of.suffix_module()
    for name in FOUR:
        suffix.join(name)
    return suffix, *inputs(of)


@pytest.fixture(params=WORLDS, ids="-".join)
def world(
    request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Suffix, Tensor, Tensor]:
    """A fresh suffix of four scenarios, with states and mask of four texts."""
    return copy.deepcopy(fresh(tiny, tmp_path_factory.getbasetemp() / "worlds", *request.param))


def of_index(*index: int) -> Routing:
    return Routing(index_N=torch.tensor(index))


def test_all_scenarios_start_as_one_function(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    mixed = suffix(states, mask, of_index(0, 1, 2, 3))
    torch.testing.assert_close(mixed, suffix(states, mask, one(0, 4)), atol=1e-6, rtol=0)
    if all(module.starts_as_identity for module in suffix.adapted().values()):
        bare = copy.deepcopy(suffix)
        for module in list(bare.modules()):
            for name, child in module.named_children():
                if isinstance(child, Adapted):
                    setattr(module, name, child.base)
        torch.testing.assert_close(mixed, bare(states, mask), atol=1e-6, rtol=0)


def test_a_mixed_batch_is_its_scenarios_one_by_one(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    filled(suffix)
    mixed = suffix(states, mask, of_index(2, 0, 2, 3))
    for row, k in enumerate((2, 0, 2, 3)):
        alone = suffix(states[row : row + 1], mask[row : row + 1], one(k, 1))
        torch.testing.assert_close(mixed[row], alone[0], atol=1e-6, rtol=0)
    assert (mixed - suffix(states, mask, one(1, 4))).abs().max() > 1e-3
    segments = suffix(states, mask, Routing.of_segments([(0, 2), (3, 2)], "cpu"))
    torch.testing.assert_close(segments, suffix(states, mask, of_index(0, 0, 3, 3)), atol=1e-6, rtol=0)
    one_hot = Routing(weights_NK=torch.eye(4)[[2, 0, 2, 3]])
    torch.testing.assert_close(suffix(states, mask, one_hot), mixed, atol=1e-6, rtol=0)


def test_gradients_reach_the_adapters_of_the_batch_only(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    filled(suffix)
    for routing in (of_index(1, 2, 1, 1), Routing.of_segments([(1, 3), (2, 1)], "cpu")):
        suffix.zero_grad()
        suffix(states, mask, routing)[:, 0].sum().backward()
        for name, parameter in suffix.scenario_parameters().items():
            assert parameter.grad is not None, name
            assert not parameter.grad[[0, 3]].any(), f"{name}: no rows, no gradient"
            assert parameter.grad[1].any(), name
            assert parameter.grad[2].any(), name
    assert not any(parameter.requires_grad for parameter in suffix.pretrained_parameters())
    assert not any(parameter.grad is not None for parameter in suffix.pretrained_parameters())


def test_nothing_is_dropped_or_moved_in_training(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    suffix.train()
    assert not any(module.training for module in suffix.modules())
    before = {name: buffer.clone() for name, buffer in suffix.named_buffers()}
    first = suffix(states, mask, of_index(0, 1, 2, 3))
    assert torch.equal(first, suffix(states, mask, of_index(0, 1, 2, 3)))
    assert all(torch.equal(buffer, before[name]) for name, buffer in suffix.named_buffers())


def test_a_new_scenario_leaves_the_others_as_they_are(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    filled(suffix)
    before = suffix(states, mask, of_index(0, 1, 2, 3))
    assert suffix.join("new") == 4
    assert suffix.join("music") == 1, "who is there stays where it is"
    assert suffix.scenarios == (*FOUR, "new")
    assert torch.equal(suffix(states, mask, of_index(0, 1, 2, 3)), before)
    assert suffix(states, mask, one(4, 4)).shape == before.shape


def test_the_state_holds_the_adapters_and_comes_back_bit_for_bit(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    fresh = copy.deepcopy(suffix)
    filled(suffix)
    state = {name: tensor.clone() for name, tensor in unique_state(suffix).items()}
    held = {id(parameter) for parameter in suffix.scenario_parameters().values()}
    held |= {id(buffer) for buffer in suffix.buffers()}
    assert {id(tensor) for tensor in unique_state(suffix).values()} <= held, "the backbone is not in it"
    assert len([name for name in state if "importance" not in name and "uncertainty" not in name]) >= len(
        suffix.scenario_parameters()
    )
    load_state(state, fresh, where="here")
    assert torch.equal(fresh(states, mask, one(2, 4)), suffix(states, mask, one(2, 4)))


def test_padding_does_not_reach_a_row(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    filled(suffix)
    noisy = states + 100 * (mask == 0)[..., None]
    routing = of_index(0, 1, 2, 3)
    torch.testing.assert_close(suffix(noisy, mask, routing), suffix(states, mask, routing), atol=1e-5, rtol=0)


def test_a_step_does_not_wait_for_the_host(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    suffix.to("meta")
    with FakeTensorMode(allow_non_fake_inputs=True):
        for routing in (
            Routing.of_segments([(1, 4)], "meta"),
            Routing(index_N=torch.zeros(4, device="meta").long()),
        ):
            suffix(states.to("meta"), mask.to("meta"), routing).sum().backward()


def test_a_batch_without_scenarios_is_an_error(world: tuple[Suffix, Tensor, Tensor]) -> None:
    suffix, states, mask = world
    with pytest.raises(LookupError):
        suffix(states, mask)


def test_parameters_are_counted_per_scenario(tiny: Path, tmp_path: Path) -> None:
    suffix = backbone(tiny, tmp_path, KINDS["lora"]).suffix_module()
    assert suffix.join("video") == 0
    # 2 layers x (query, value) x rank 4 x (32 in + 32 out)
    assert suffix.parameters_per_scenario("video") == 2 * 2 * 4 * (32 + 32)
    assert suffix.parameters_per_scenario("kg") == 0, "it has no texts"
