"""No component may wait for the host or mix devices: its step runs on fake tensors of another device.

A fake tensor has no values, so ``.item()``, ``.tolist()``, a data-dependent ``if`` and a tensor that stayed on the
host all raise.
"""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.adapters import COMPONENTS as ADAPTERS
from polyscene.adapters import Routing
from polyscene.features import COMPONENTS as FEATURES
from polyscene.features import EntityEncoder, SharedModules
from polyscene.sequence import COMPONENTS as SEQUENCES
from tests.invariants.small_world import (
    D_MODEL,
    column_for,
    default_build,
    make_context,
    make_frame,
    registry,
)

DEVICE = "meta"


def step(module, *inputs):
    """Forward in training mode, and backward."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        loss = module.train()(*inputs).square().sum()
        if loss.requires_grad:
            loss.backward()
    assert loss.device.type == DEVICE


def fake(*shape):
    return torch.randn(*shape, device=DEVICE)


@pytest.mark.parametrize("fusion", [c for c in FEATURES if c.kind == "fusion"], ids=lambda c: c.name)
@pytest.mark.parametrize("encoder", [c.name for c in FEATURES if c.kind == "encoder"])
def test_encoders_and_fusions(encoder, fusion):
    frame, shared = make_frame(), SharedModules()
    entity = EntityEncoder(
        [column_for(encoder)],
        registry=registry(),
        fusion=fusion,
        fusion_config=fusion.config() if fusion.config else None,
        content_dropout=0.5,
        gated={column_for(encoder).name or "item_id"},
    )
    entity.fit(frame, make_context(len(frame), shared))
    entity.bind(frame, make_context(len(frame), shared))
    shared.to(DEVICE)
    step(entity.to(DEVICE), torch.zeros(4, 5, dtype=torch.int64, device=DEVICE))


@pytest.mark.parametrize("component", SEQUENCES, ids=lambda component: component.name)
def test_sequence_models(component):
    model = default_build(component, d_model=D_MODEL, max_length=7).to(DEVICE)
    step(model, fake(4, 7, D_MODEL), fake(4, D_MODEL), torch.ones(4, dtype=torch.bool, device=DEVICE))


@pytest.mark.parametrize("way", ["index", "segments", "weights"])
@pytest.mark.parametrize("component", ADAPTERS, ids=lambda component: component.name)
def test_adapters(component, way):
    bank = default_build(component, d_model=D_MODEL, n_scenarios=3).to(DEVICE)
    routing = {
        "index": Routing(index_N=torch.zeros(300, dtype=torch.int64, device=DEVICE)),
        "segments": Routing.of_segments([(0, 100), (2, 200)], DEVICE),
        "weights": Routing(weights_NK=torch.rand(300, 3, device=DEVICE)),
    }[way]
    step(bank, fake(300, D_MODEL), routing)


def test_the_check_itself_sees_a_host_copy_and_a_device_mix():
    class Waits(torch.nn.Module):
        def forward(self, x):
            return x * x.sum().item()

    class Mixes(torch.nn.Module):
        def forward(self, x):
            return x + torch.ones(3, 4)

    for module in (Waits(), Mixes()):
        with pytest.raises(Exception, match=r"device|_local_scalar_dense"):
            step(module, fake(3, 4))
