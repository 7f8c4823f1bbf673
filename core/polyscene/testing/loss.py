"""What must hold for every ranking loss: it rewards what happened, and reads nothing that does not count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from polyscene.data.windows import Windows
from polyscene.tasks.losses import RankingLoss
from polyscene.testing.state import DEVICE, assert_same, assert_unmoved, snapshot, step_without_values
from polyscene.testing.suite import ComponentSuite

B, T, C = 3, 4, 9


class LossSuite(ComponentSuite):
    """Tests of a ranking loss on three windows of four steps, the last two of which are padded in one window.

    Attributes:
        columns: event columns ``[3, 4]`` that the loss reads, where zeros and ones in turn do not do.

    Example:
        >>> from polyscene import Component, SoftmaxLoss
        >>> class TestSoftmax(LossSuite):
        ...     component = Component("loss", "softmax", SoftmaxLoss)
    """

    kind = "loss"
    columns: ClassVar[Mapping[str, Tensor]] = {}

    def windows(self, device: str = "cpu") -> Windows:
        """The steps: items, ratings from 1 to 5, times, and the event columns."""
        generator = torch.Generator().manual_seed(0)
        valid_BT = torch.ones(B, T, dtype=torch.bool)
        valid_BT[1, 2:] = False
        windows = Windows(
            user_B=torch.arange(B),
            row_BT=torch.arange(B * T).view(B, T),
            valid_BT=valid_BT,
            item_BT=torch.randint(C, (B, T), generator=generator),
            value_BT=1 + 4 * torch.rand(B, T, generator=generator),
            time_BT=1_600_000_000 + 60 * torch.arange(B * T).view(B, T),
            columns=_EveryColumn(self.columns),
            ordered=True,
        )
        return windows if device == "cpu" else _on(windows, device)

    def scores(self, seed: int = 0) -> Tensor:
        """Scores ``[B, T, C]`` of candidates."""
        return torch.randn(B, T, C, generator=torch.Generator().manual_seed(seed))

    def losses(self, positive_BT: Tensor, candidates_BTC: Tensor, windows: Windows, *, whole: bool) -> Tensor:
        """Loss ``[B, T]``; where the candidates are the whole catalogue the step's item is put among them."""
        loss: RankingLoss = self.made()
        if whole:
            candidates_BTC = candidates_BTC.scatter(-1, windows.item_BT.unsqueeze(-1), positive_BT.unsqueeze(-1))
        return loss.eval()(positive_BT, candidates_BTC, windows, includes_positive=whole)

    @pytest.mark.parametrize("whole", [True, False])
    def test_one_finite_loss_for_each_step(self, whole: bool) -> None:
        windows, scores = self.windows(), self.scores()
        found = self.losses(scores[..., 0], scores, windows, whole=whole)
        assert found.shape == (B, T), (
            f"the loss is {tuple(found.shape)}; return one per step, reduction is the engine's"
        )
        assert found[windows.valid_BT].isfinite().all()

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_higher_score_of_what_happened_lowers_the_loss(self, whole: bool) -> None:
        windows = self.windows()
        positive_BT, scores = self.scores(1)[..., 0].requires_grad_(), self.scores()
        total = self.losses(positive_BT, scores, windows, whole=whole)[windows.valid_BT].sum()
        (gradient_BT,) = torch.autograd.grad(total, positive_BT)
        assert (gradient_BT[windows.valid_BT] < 0).all(), "a better score of the step's item raises the loss"

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_higher_score_of_another_candidate_never_lowers_it(self, whole: bool) -> None:
        windows, candidates = self.windows(), self.scores().requires_grad_()
        total = self.losses(self.scores(1)[..., 0], candidates, windows, whole=whole)[windows.valid_BT].sum()
        (gradient_BTC,) = torch.autograd.grad(total, candidates)
        assert (gradient_BTC >= 0).all(), "a better score of an item that was not chosen lowers the loss"
        assert gradient_BTC.any(), "the candidates do not count at all"

    def test_masked_candidates_do_not_count(self) -> None:
        windows, scores = self.windows(), self.scores()
        masked = torch.cat([scores, torch.full((B, T, 3), -math.inf)], dim=-1)
        few, more = (self.losses(scores[..., 0], one, windows, whole=False) for one in (scores, masked))
        assert_same(more, few, "candidates of score -inf change the loss; they are masked")

    def test_a_step_without_candidates_has_a_finite_loss_and_gradient(self) -> None:
        positive_BT = self.scores(1)[..., 0].requires_grad_()
        candidates = torch.full((B, T, C), -math.inf, requires_grad=True)
        found = self.losses(positive_BT, candidates, self.windows(), whole=False)
        assert found.isfinite().all(), "where all candidates are masked the loss is not finite"
        gradients = torch.autograd.grad(found.sum(), [positive_BT, candidates], allow_unused=True)
        assert all(one is None or one.isfinite().all() for one in gradients), "nor is its gradient"

    @pytest.mark.parametrize("whole", [True, False])
    def test_padded_steps_change_nothing(self, whole: bool) -> None:
        windows, scores, positive_BT = self.windows(), self.scores(), self.scores(1)[..., 0]
        padded_BT = ~windows.valid_BT
        wild = replace(
            windows,
            item_BT=torch.where(padded_BT, (windows.item_BT + 3) % C, windows.item_BT),
            value_BT=torch.where(padded_BT, 1e3, windows.value_BT),
            columns=_EveryColumn({k: torch.where(padded_BT, 1 - v, v) for k, v in self.columns.items()}),
        )
        before = self.losses(positive_BT, scores, windows, whole=whole)
        after = self.losses(positive_BT + 9 * padded_BT, scores + 9 * padded_BT.unsqueeze(-1), wild, whole=whole)
        why = "what stands at padded steps changes the loss of others: weigh with windows.valid_BT"
        assert_same(after[windows.valid_BT], before[windows.valid_BT], why)

    def test_padding_that_points_at_a_masked_item_leaves_gradients_finite(self) -> None:
        windows, scores = self.windows(), self.scores()
        scores[~windows.valid_BT, windows.item_BT[~windows.valid_BT]] = -math.inf
        scores.requires_grad_()
        found = self.made()(self.scores(1)[..., 0], scores, windows, includes_positive=True)
        total = torch.where(windows.valid_BT, found, 0.0).sum()  # as the engine does it
        (gradient_BTC,) = torch.autograd.grad(total, scores)
        assert gradient_BTC.isfinite().all(), "padded steps spoil gradients: zero them by windows.valid_BT first"

    def test_it_is_repeatable_and_moves_no_state(self) -> None:
        loss, scores = self.made().eval(), self.scores()
        before = snapshot(loss)
        first, second = (loss(scores[..., 0], scores, self.windows(), includes_positive=False) for _ in range(2))
        assert torch.equal(first, second), "the same scores get two losses in eval mode"
        assert_unmoved(before, loss, "count in training mode only")

    @pytest.mark.parametrize("whole", [True, False])
    def test_a_step_waits_for_no_device(self, whole: bool) -> None:
        scores = torch.randn(B, T, C, device=DEVICE, requires_grad=True)
        loss, windows = self.made().to(DEVICE), self.windows(DEVICE)
        step_without_values(loss, scores[..., 0], scores, windows, includes_positive=whole)


def _on(windows: Windows, device: str) -> Windows:
    tensors = {name: value.to(device) for name, value in vars(windows).items() if isinstance(value, Tensor)}
    columns = {name: value.to(device) for name, value in windows.columns.items()}
    return replace(windows, **tensors, columns=_EveryColumn(columns, device))


class _EveryColumn(dict[str, Tensor]):
    """Event columns; one that is not given holds zeros and ones in turn."""

    def __init__(self, columns: Mapping[str, Tensor], device: str = "cpu") -> None:
        super().__init__(columns)
        self.device = device

    def __missing__(self, name: str) -> Tensor:
        return (torch.arange(B * T, device=self.device) % 2).view(B, T).float()
