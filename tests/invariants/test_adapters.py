"""Every adapter of the core under the kit."""

from __future__ import annotations

import torch

from polyscene.adapters import COMPONENTS, Routing
from polyscene.adapters.gate import Gate, GateConfig
from polyscene.testing import suites_of

globals().update(suites_of(COMPONENTS))


def test_gelu_gate_starts_as_one_shared_function() -> None:
    h_Nd = torch.randn(5, 16)
    bank = Gate(GateConfig("gelu"), 16, 4)
    outputs = [bank(h_Nd, Routing(index_N=torch.full((5,), k))) for k in range(4)]
    assert all(torch.equal(output, torch.nn.functional.gelu(h_Nd)) for output in outputs)
