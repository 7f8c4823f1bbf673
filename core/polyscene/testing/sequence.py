"""What must hold for every sequence model: causality, order only where there is one, independence, no state."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from polyscene.sequence.model import SequenceModel
from polyscene.testing.state import (
    DEVICE,
    assert_same,
    assert_unmoved,
    randomize,
    round_trip,
    snapshot,
    step_without_values,
)
from polyscene.testing.suite import ComponentSuite

T = 9


class SequenceSuite(ComponentSuite):
    """Tests of a sequence model on four histories of nine steps, every other one with an order.

    Attributes:
        reads_order: whether the order of steps matters to it, where there is one.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.sequence.mean import MeanPooling
        >>> class TestMean(SequenceSuite):
        ...     component = Component("sequence", "mean", MeanPooling)
        ...     reads_order = False
    """

    kind = "sequence"
    d_model: ClassVar[int] = 16
    reads_order: ClassVar[bool] = True

    def model(self, *, trained: bool = True) -> SequenceModel:
        """A model in eval mode, as it starts or as it may be after training."""
        torch.manual_seed(0)
        model: SequenceModel = self.made(d_model=self.d_model, max_length=T)
        if trained:
            randomize(model)
        return model.eval()

    def history(self, batch: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of steps and start tokens, and which rows have an order (every other one)."""
        generator = torch.Generator().manual_seed(seed)
        x_BTd = torch.randn(batch, T, self.d_model, generator=generator)
        return x_BTd, torch.randn(batch, self.d_model, generator=generator), torch.arange(batch) % 2 == 0

    @pytest.mark.parametrize("cut", [0, 1, 5, T - 1])
    def test_a_state_depends_on_earlier_steps_only(self, cut: int) -> None:
        model, (x_BTd, start_Bd, ordered_B) = self.model(), self.history(seed=cut)
        changed = x_BTd.clone()
        changed[:, cut:] = 30 * torch.randn(x_BTd[:, cut:].shape, generator=torch.Generator().manual_seed(1))
        before, after = model(x_BTd, start_Bd, ordered_B), model(changed, start_Bd, ordered_B)
        assert before.shape == (4, T + 1, self.d_model), (
            "states [B, T + 1, d]: before each step and after the last"
        )
        why = "a state changes with later steps: the next item would be given away"
        assert_same(after[:, : cut + 1], before[:, : cut + 1], why, atol=1e-5)
        assert (after[:, cut + 1] != before[:, cut + 1]).any(-1).all(), "the step itself is not read"

    def test_a_shorter_window_gives_the_same_states(self) -> None:
        model, (x_BTd, start_Bd, ordered_B) = self.model(), self.history()
        states = model(x_BTd, start_Bd, ordered_B)
        for length in (0, 1, 5):
            shorter = model(x_BTd[:, :length], start_Bd, ordered_B)
            assert_same(shorter, states[:, : length + 1], "a state changes with the window's length", atol=1e-5)

    def test_last_states_are_those_after_each_history(self) -> None:
        model, (x_BTd, start_Bd, ordered_B) = self.model(), self.history(batch=6)
        length_B = torch.tensor([T, T, 0, 0, 4, 5])
        states = model(x_BTd, start_Bd, ordered_B)[torch.arange(6), length_B]
        last = model.last(x_BTd, start_Bd, ordered_B, length_B)
        assert_same(last, states, "last is not the state of forward after the history's length", atol=1e-5)

    def test_start_is_read(self) -> None:
        model, (x_BTd, start_Bd, ordered_B) = self.model(), self.history()
        other = model(x_BTd, start_Bd + 1, ordered_B)
        assert (other != model(x_BTd, start_Bd, ordered_B)).any(-1).all(), "the start token does not reach a state"

    @pytest.mark.parametrize("seed", [0, 1])
    def test_without_order_the_last_state_is_a_function_of_the_set(self, seed: int) -> None:
        model, (x_BTd, start_Bd, _) = self.model(), self.history(seed=seed)
        unordered = torch.zeros(len(x_BTd), dtype=torch.bool)
        order = torch.randperm(T, generator=torch.Generator().manual_seed(seed))
        last = model(x_BTd, start_Bd, unordered)[:, -1]
        shuffled = model(x_BTd[:, order], start_Bd, unordered)[:, -1]
        assert_same(shuffled, last, "where ordered is False positions must not count", rtol=1e-4, atol=1e-4)

    def test_with_order_the_last_state_reads_it(self) -> None:
        model, (x_BTd, start_Bd, _) = self.model(), self.history()
        ordered = torch.ones(len(x_BTd), dtype=torch.bool)
        last = model(x_BTd, start_Bd, ordered)[:, -1]
        reversed_last = model(x_BTd.flip(1), start_Bd, ordered)[:, -1]
        reads = bool(((last - reversed_last).abs().amax(-1) > 1e-3).all())
        assert reads == self.reads_order, f"reads_order is {self.reads_order}"

    def test_a_row_does_not_depend_on_the_other_rows(self) -> None:
        model, (x_BTd, start_Bd, ordered_B) = self.model(), self.history(batch=6)
        together = model(x_BTd, start_Bd, ordered_B)
        for chosen in ([0], [3], [5, 1]):
            alone = model(x_BTd[chosen], start_Bd[chosen], ordered_B[chosen])
            assert_same(alone, together[chosen], "a row's states change with the rows beside it")

    def test_eval_moves_no_state_and_is_repeatable(self) -> None:
        model, inputs = self.model(), self.history()
        before = snapshot(model)
        assert torch.equal(model(*inputs), model(*inputs)), "the same history gets two states"
        assert_unmoved(before, model, "count in training mode only")

    def test_round_trip_is_bit_equal(self, tmp_path: Path) -> None:
        model, other = self.model(), self.model(trained=False)
        round_trip(model, other, tmp_path / "model.safetensors")
        assert torch.equal(model(*self.history()), other(*self.history())), "a checkpoint does not hold all of it"

    def test_every_parameter_learns(self) -> None:
        model = self.model(trained=False).train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        model(*self.history()).square().sum().backward()
        idle = [name for name, parameter in model.named_parameters() if parameter.grad is None]
        assert not idle, f"no gradient reaches {', '.join(idle)}"

    def test_a_step_waits_for_no_device(self) -> None:
        x_BTd, start_Bd = (torch.randn(*shape, self.d_model, device=DEVICE) for shape in ((4, T), (4,)))
        ordered_B = torch.ones(4, dtype=torch.bool, device=DEVICE)
        step_without_values(self.model(trained=False).to(DEVICE), x_BTd, start_Bd, ordered_B)
