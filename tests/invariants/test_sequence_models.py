"""What must hold for every sequence model: causality, order only where there is one, independence, no state."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.sequence import COMPONENTS
from tests.invariants.small_world import D_MODEL, default_build, randomize, round_trip

T = 9

every_model = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)


def build(component, *, trained=True):
    torch.manual_seed(0)
    model = default_build(component, d_model=D_MODEL, max_length=T)
    if trained:
        randomize(model)
    return model.eval()


def history(batch=4, length=T, seed=0):
    """Vectors of steps and start tokens, and which rows have an order (every other one)."""
    generator = torch.Generator().manual_seed(seed)
    x_BTd = torch.randn(batch, length, D_MODEL, generator=generator)
    return x_BTd, torch.randn(batch, D_MODEL, generator=generator), torch.arange(batch) % 2 == 0


@every_model
@given(cut=st.integers(0, T - 1), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_a_state_depends_on_earlier_steps_only(component, cut, seed):
    model, (x_BTd, start_Bd, ordered_B) = build(component), history(seed=seed)
    changed = x_BTd.clone()
    changed[:, cut:] = 30 * torch.randn(x_BTd[:, cut:].shape, generator=torch.Generator().manual_seed(seed + 1))
    before, after = model(x_BTd, start_Bd, ordered_B), model(changed, start_Bd, ordered_B)
    assert before.shape == (4, T + 1, D_MODEL)
    torch.testing.assert_close(after[:, : cut + 1], before[:, : cut + 1], rtol=1e-5, atol=1e-5)
    assert (after[:, cut + 1] != before[:, cut + 1]).any(-1).all(), "the step itself is not read"


@every_model
def test_a_shorter_window_gives_the_same_states(component):
    model, (x_BTd, start_Bd, ordered_B) = build(component), history()
    states = model(x_BTd, start_Bd, ordered_B)
    for length in (0, 1, 5):
        shorter = model(x_BTd[:, :length], start_Bd, ordered_B)
        torch.testing.assert_close(shorter, states[:, : length + 1], rtol=1e-5, atol=1e-5)


@every_model
def test_start_is_read(component):
    model, (x_BTd, start_Bd, ordered_B) = build(component), history()
    other = model(x_BTd, start_Bd + 1, ordered_B)
    assert (other != model(x_BTd, start_Bd, ordered_B)).any(-1).all()


@every_model
@given(seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_without_order_the_last_state_is_a_function_of_the_set(component, seed):
    model, (x_BTd, start_Bd, _) = build(component), history(seed=seed)
    unordered = torch.zeros(len(x_BTd), dtype=torch.bool)
    order = torch.randperm(T, generator=torch.Generator().manual_seed(seed))
    last = model(x_BTd, start_Bd, unordered)[:, -1]
    shuffled = model(x_BTd[:, order], start_Bd, unordered)[:, -1]
    torch.testing.assert_close(shuffled, last, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "component",
    [component for component in COMPONENTS if component.name != "mean"],
    ids=lambda component: component.name,
)
def test_with_order_the_last_state_reads_it(component):
    model, (x_BTd, start_Bd, _) = build(component), history()
    ordered = torch.ones(len(x_BTd), dtype=torch.bool)
    last = model(x_BTd, start_Bd, ordered)[:, -1]
    reversed_last = model(x_BTd.flip(1), start_Bd, ordered)[:, -1]
    assert ((last - reversed_last).abs().amax(-1) > 1e-3).all()


@every_model
def test_a_row_does_not_depend_on_the_other_rows(component):
    model, (x_BTd, start_Bd, ordered_B) = build(component), history(batch=6)
    together = model(x_BTd, start_Bd, ordered_B)
    for chosen in ([0], [3], [5, 1]):
        alone = model(x_BTd[chosen], start_Bd[chosen], ordered_B[chosen])
        torch.testing.assert_close(alone, together[chosen], rtol=1e-5, atol=1e-6)


@every_model
def test_eval_moves_no_state_and_is_repeatable(component):
    model, inputs = build(component), history()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert torch.equal(model(*inputs), model(*inputs))
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@every_model
def test_round_trip_is_bit_equal(component, tmp_path):
    model, other = build(component), build(component, trained=False)
    round_trip(model, other, tmp_path / "model.safetensors")
    assert torch.equal(model(*history()), other(*history()))


@every_model
def test_every_parameter_learns(component):
    model = build(component, trained=False).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model(*history()).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
