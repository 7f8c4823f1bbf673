"""What must hold for every encoder: fitted on train rows only, checkpoint, new rows, independence, no state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from polyscene.config.validate import from_mapping_or_raise
from polyscene.data.columns import Column
from polyscene.features.encoder import Encoder, FitContext, SharedModules
from polyscene.testing.state import (
    DEVICE,
    assert_same,
    assert_unmoved,
    round_trip,
    snapshot,
    step_without_values,
)
from polyscene.testing.suite import ComponentSuite
from polyscene.testing.world import ROWS, TRAIN_ROWS, make_context, make_frame, values_of

EVERY = torch.arange(ROWS)


class EncoderSuite(ComponentSuite):
    """Tests of an encoder, fitted on 30 rows of :func:`polyscene.testing.world.make_frame` and bound to all 40.

    Attributes:
        column: the column that it reads, with its options; a text if nothing else is said.

    Example:
        >>> from polyscene import Category, Component
        >>> from polyscene.features.category import CategoryEncoder, CategoryEncoderConfig
        >>> class TestCategory(EncoderSuite):
        ...     component = Component("encoder", "category", CategoryEncoder, CategoryEncoderConfig)
        ...     column = Category("brand")
    """

    kind = "encoder"
    column: ClassVar[Column] = Column("text")

    def frame(self) -> pd.DataFrame:
        """40 rows with an ``item_id``, the last 10 outside training; override it for another column."""
        return make_frame()

    def context(self, frame: pd.DataFrame, shared: SharedModules, trained: int = TRAIN_ROWS) -> FitContext:
        """What the encoder may know of the rows; override it to add what the encoder needs besides."""
        return make_context(frame, shared, trained=trained)

    def fitted(self, frame: pd.DataFrame | None = None, learned: Mapping[str, Any] | None = None) -> Bound:
        """The encoder in eval mode, fitted and bound, or restored from what :meth:`Encoder.fitted` returned."""
        torch.manual_seed(0)
        bound = Bound(self, self.made(column=self.column))
        frame = self.frame() if frame is None else frame
        if learned is None:
            bound.encoder.fit(values_of(frame, self.column), self.context(frame, bound.shared))
            bound.bind(frame)
        else:
            bound.encoder.load_fitted(learned, self.context(frame, bound.shared))
        return bound.eval()

    def config(self) -> Any:
        """With the options of the column, as the engine does it, unless the suite names some."""
        options = self.options or self.column.options
        return from_mapping_or_raise(self.component.config, options, where=f"options of {self.name}")

    def test_vectors_have_the_declared_width_and_are_finite_for_rows_never_seen(self) -> None:
        bound = self.fitted()
        vectors = bound(EVERY.view(4, 10))
        width = bound.encoder.out_dim
        assert vectors.shape == (4, 10, width), f"rows [4, 10] of out_dim {width} became {tuple(vectors.shape)}"
        assert vectors.isfinite().all(), "a missing, unseen or extreme value gives NaN or infinity"

    def test_rows_outside_training_teach_nothing(self) -> None:
        frame, other = self.frame(), self.frame()
        for name in other.columns:
            other.loc[TRAIN_ROWS:, name] = other.loc[0, name]
        other.loc[TRAIN_ROWS:, "item_id"] = [f"elsewhere{n}" for n in range(len(other) - TRAIN_ROWS)]
        first, second = self.fitted(frame), self.fitted(other)
        why = "fit() reads rows outside context.train_rows"
        assert first.encoder.fitted() == second.encoder.fitted(), why
        assert_unmoved(snapshot(first), second, why)
        assert torch.equal(first(EVERY[:TRAIN_ROWS]), second(EVERY[:TRAIN_ROWS])), why

    def test_round_trip_is_bit_equal(self, tmp_path: Path) -> None:
        bound = self.fitted()
        restored = self.fitted(learned=json.loads(json.dumps(bound.encoder.fitted())))
        round_trip(bound, restored, tmp_path / "encoder.safetensors")
        restored.bind(self.frame())
        same = torch.equal(restored(EVERY), bound(EVERY))
        assert same, "an encoder from a checkpoint gives other vectors: return from fitted() what fit() learned"

    def test_more_rows_can_be_bound_later(self) -> None:
        frame = self.frame()
        bound = self.fitted(frame.iloc[:TRAIN_ROWS])
        before = bound(EVERY[:TRAIN_ROWS])
        bound.bind(frame)
        assert torch.equal(bound(EVERY[:TRAIN_ROWS]), before), "binding more rows changes the first ones"
        assert bound(EVERY).isfinite().all()

    def test_a_row_does_not_depend_on_the_other_rows(self) -> None:
        bound = self.fitted()
        together = bound(EVERY)
        for chosen in ([5], [ROWS - 1, 2, 2]):
            why = "a row's vector changes with the rows that are asked for beside it"
            assert_same(bound(torch.tensor(chosen)), together[chosen], why)

    @pytest.mark.parametrize("train", [True, False])
    def test_forward_moves_no_state(self, train: bool) -> None:
        bound = self.fitted().train(train)
        before = snapshot(bound)
        outputs = []
        for _ in range(2):
            torch.manual_seed(1)
            outputs.append(bound(EVERY))
        assert torch.equal(*outputs), "the same rows get two vectors"
        assert_unmoved(before, bound, "forward() must not")

    def test_rows_stay_out_of_the_checkpoint(self) -> None:
        bound = self.fitted()
        rows = {name for name, buffer in bound.named_buffers() if buffer.ndim and len(buffer) == ROWS}
        assert rows, "bind() keeps nothing per row: use register_rows(name, rows)"
        saved = sorted(rows & bound.state_dict().keys())
        assert not saved, f"{', '.join(saved)} would be saved with every checkpoint: use register_rows(name, rows)"

    def test_every_parameter_learns(self) -> None:
        bound = self.fitted().train()
        vectors = bound(EVERY)
        weight = torch.randn(vectors.shape[-1], generator=torch.Generator().manual_seed(0))
        (vectors @ weight).sum().backward()
        gradients = {name: parameter.grad for name, parameter in bound.named_parameters()}
        idle = [name for name, gradient in gradients.items() if gradient is None or not gradient.any()]
        assert not idle, f"no gradient reaches {', '.join(idle)}"

    def test_nothing_to_learn_from_is_no_error(self) -> None:
        frame = self.frame().iloc[TRAIN_ROWS:].reset_index(drop=True)
        shared = SharedModules()
        context = self.context(frame, shared, trained=0)
        encoder: Encoder = self.made(column=self.column)
        values = values_of(frame, self.column)
        encoder.fit(values, context)
        encoder.bind(values, context)
        assert encoder.eval()(EVERY[: len(frame)]).isfinite().all(), "without any train row a vector is not finite"

    def test_identity_encoders_have_an_unknown_vector(self) -> None:
        bound = self.fitted()
        if bound.encoder.is_identity:
            unseen = bound(EVERY[TRAIN_ROWS:])
            same = torch.equal(unseen, bound.encoder.unknown().expand_as(unseen))
            assert same, "an id that training never saw must get unknown()"

    def test_a_step_waits_for_no_device(self) -> None:
        bound = self.fitted().to(DEVICE)
        step_without_values(bound, torch.zeros(4, 5, dtype=torch.int64, device=DEVICE))


class Bound(nn.Module):
    """An encoder beside the shared modules that it uses, as in a model."""

    def __init__(self, suite: EncoderSuite, encoder: Encoder) -> None:
        super().__init__()
        self.suite, self.shared, self.encoder = suite, SharedModules(), encoder

    def bind(self, frame: pd.DataFrame) -> None:
        """Put the rows of a frame on the device."""
        self.encoder.bind(values_of(frame, self.suite.column), self.suite.context(frame, self.shared))

    def forward(self, row: Tensor) -> Tensor:
        return self.encoder(row)
