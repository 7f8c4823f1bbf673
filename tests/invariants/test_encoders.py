"""What must hold for every encoder: fitted on train rows only, checkpoint, new rows, independence, no state."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from torch import nn

from polyscene.features import COMPONENTS, SharedModules
from tests.invariants.small_world import (
    D_MODEL,
    TRAIN_ROWS,
    column_for,
    default_build,
    make_context,
    make_frame,
    round_trip,
)

ENCODERS = [component for component in COMPONENTS if component.kind == "encoder"]

every_encoder = pytest.mark.parametrize("component", ENCODERS, ids=lambda component: component.name)


class Fitted(nn.Module):
    """An encoder beside the shared modules that it uses, as in a model."""

    def __init__(self, component, frame=None, fitted=None):
        super().__init__()
        torch.manual_seed(0)
        self.shared = SharedModules()
        self.column = column_for(component.name)
        self.encoder = default_build(component, column=self.column)
        frame = make_frame() if frame is None else frame
        if fitted is None:
            self.encoder.fit(self.values(frame), make_context(len(frame), self.shared))
            self.bind(frame)
        else:
            self.encoder.load_fitted(fitted, make_context(len(frame), self.shared))
        self.eval()

    def bind(self, frame):
        self.encoder.bind(self.values(frame), make_context(len(frame), self.shared))

    def values(self, frame) -> pd.Series:
        return frame[self.column.name or "item_id"]

    def forward(self, row):
        return self.encoder(row)


@every_encoder
def test_vectors_have_the_declared_width_and_are_finite_for_rows_never_seen(component):
    fitted = Fitted(component)
    row = torch.arange(40).view(4, 10)
    vectors = fitted(row)
    assert vectors.shape == (4, 10, fitted.encoder.out_dim)
    assert vectors.isfinite().all()


@every_encoder
def test_rows_outside_training_teach_nothing(component):
    frame, other = make_frame(), make_frame()
    for name in other.columns:
        other.loc[TRAIN_ROWS:, name] = other.loc[0, name] if name != "item_id" else "elsewhere"
    first, second = Fitted(component, frame), Fitted(component, other)
    assert first.encoder.fitted() == second.encoder.fitted()
    assert first.state_dict().keys() == second.state_dict().keys()
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    row = torch.arange(TRAIN_ROWS)
    assert torch.equal(first(row), second(row))


@every_encoder
def test_round_trip_is_bit_equal(component, tmp_path):
    fitted = Fitted(component)
    restored = Fitted(component, fitted=json.loads(json.dumps(fitted.encoder.fitted())))
    round_trip(fitted, restored, tmp_path / "encoder.safetensors")
    restored.bind(make_frame())
    assert torch.equal(restored(torch.arange(40)), fitted(torch.arange(40)))


@every_encoder
def test_more_rows_can_be_bound_later(component):
    frame = make_frame()
    fitted = Fitted(component, frame.iloc[:TRAIN_ROWS])
    before = fitted(torch.arange(TRAIN_ROWS))
    fitted.bind(frame)
    assert torch.equal(fitted(torch.arange(TRAIN_ROWS)), before)
    assert fitted(torch.arange(40)).isfinite().all()


@every_encoder
def test_a_row_does_not_depend_on_the_other_rows(component):
    fitted = Fitted(component)
    together = fitted(torch.arange(40))
    for chosen in ([5], [39, 2, 2]):
        torch.testing.assert_close(fitted(torch.tensor(chosen)), together[chosen], rtol=1e-5, atol=1e-6)


@every_encoder
@pytest.mark.parametrize("train", [True, False])
def test_forward_moves_no_state(component, train):
    fitted = Fitted(component).train(train)
    before = {name: value.clone() for name, value in fitted.state_dict().items()}
    assert torch.equal(fitted(torch.arange(40)), fitted(torch.arange(40)))
    assert all(torch.equal(before[name], value) for name, value in fitted.state_dict().items())


@every_encoder
def test_rows_stay_out_of_the_checkpoint(component):
    fitted = Fitted(component)
    saved = fitted.state_dict()
    bound = {name: buffer for name, buffer in fitted.named_buffers() if len(buffer) == 40}
    assert bound, "bind keeps nothing per row"
    assert not bound.keys() & saved.keys()


@every_encoder
def test_every_parameter_learns(component):
    fitted = Fitted(component).train()
    weight = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(0))
    (fitted(torch.arange(40)) @ weight).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in fitted.parameters())


@every_encoder
def test_nothing_to_learn_from_is_no_error(component):
    frame = make_frame().iloc[TRAIN_ROWS:].reset_index(drop=True)
    shared = SharedModules()
    context = make_context(len(frame), shared)
    context.train_rows[:] = False
    encoder = default_build(component, column=column_for(component.name))
    values = frame[encoder.column.name or "item_id"]
    encoder.fit(values, context)
    encoder.bind(values, context)
    assert encoder(torch.arange(10)).isfinite().all()


@every_encoder
def test_identity_encoders_have_an_unknown_vector(component):
    fitted = Fitted(component)
    if fitted.encoder.is_identity:
        unseen = fitted(torch.arange(TRAIN_ROWS, 40))
        assert torch.equal(unseen, fitted.encoder.unknown().expand_as(unseen))
