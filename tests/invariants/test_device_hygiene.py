"""Encoders behind every fusion wait for no device; what each does alone is in its suite of the kit.

A fake tensor has no values, so ``.item()``, ``.tolist()``, a data-dependent ``if`` and a tensor that stayed on the
host all raise.
"""

from __future__ import annotations

import pytest
import torch

from polyscene.features import COMPONENTS as FEATURES
from polyscene.features import EntityEncoder, SharedModules
from polyscene.testing.state import DEVICE, step_without_values
from polyscene.testing.world import make_context, make_frame
from tests.invariants.small_world import column_for, registry


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
    entity.fit(frame, make_context(frame, shared))
    entity.bind(frame, make_context(frame, shared))
    shared.to(DEVICE)
    step_without_values(entity.to(DEVICE), torch.zeros(4, 5, dtype=torch.int64, device=DEVICE))


def test_the_check_itself_sees_a_host_copy_and_a_device_mix():
    class Waits(torch.nn.Module):
        def forward(self, x):
            return x * x.sum().item()

    class Mixes(torch.nn.Module):
        def forward(self, x):
            return x + torch.ones(3, 4)

    for module in (Waits(), Mixes()):
        with pytest.raises(Exception, match=r"device|_local_scalar_dense"):
            step_without_values(module, torch.randn(3, 4, device=DEVICE))
