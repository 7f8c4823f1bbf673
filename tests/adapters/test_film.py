"""Feature-wise linear modulation against its formula."""

from __future__ import annotations

import torch

from polyscene.adapters.bank import Routing
from polyscene.adapters.film import Film


def test_scales_around_one_and_shifts():
    bank = Film(None, 2, 2)
    with torch.no_grad():
        bank.scale_Kd.copy_(torch.tensor([[0.0, 1.0], [-1.0, 0.5]]))
        bank.shift_Kd.copy_(torch.tensor([[0.0, 0.0], [3.0, -1.0]]))
    z_Nd = bank(torch.tensor([[2.0, 4.0], [2.0, 4.0]]), Routing(index_N=torch.tensor([0, 1])))
    assert z_Nd.tolist() == [[2.0, 8.0], [3.0, 5.0]]
    assert bank.parameters_per_scenario() == 4
