"""Rows in blocks: every row goes through its own matrix, however segments are cut."""

from __future__ import annotations

import pytest
import torch

from polyscene.adapters.bank import Routing, routed_linear
from polyscene.adapters.blocks import Blocks

CUTS = {
    "equal": [(k, 4) for k in range(10)],
    "ragged": [(k % 7, 1 + 3 * k) for k in range(12)],
    "one is long": [(k, 90 if k == 3 else 1) for k in range(9)],
    "empty ones": [(k, k % 2 * 5) for k in range(11)],
    "nothing at all": [(k, 0) for k in range(9)],
}


@pytest.mark.parametrize("counts", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("several", [False, True], ids=["one vector", "three vectors"])
def test_rows_go_through_their_own_matrix(counts, several):
    generator = torch.Generator().manual_seed(0)
    routing = Routing.of_segments(counts, "cpu")
    assert routing.blocks is not None
    assert routing.index_N is not None
    shape = (len(routing.index_N), 3, 8) if several else (len(routing.index_N), 8)
    h = torch.randn(shape, generator=generator, dtype=torch.float64)
    weight_Kio = torch.randn(12, 8, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    out = routed_linear(h, weight_Kio, routing)
    expected = torch.einsum("n...i,nio->n...o", h, weight_Kio[routing.index_N])
    torch.testing.assert_close(out, expected)
    pull = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    gradients = [torch.autograd.grad((z * pull).sum(), weight_Kio)[0] for z in (out, expected)]
    torch.testing.assert_close(*gradients)
    unused = [k for k in range(12) if k not in {k for k, count in counts if count}]
    assert gradients[0][unused].count_nonzero() == 0


def test_few_segments_need_no_blocks():
    assert Routing.of_segments([(k, 4) for k in range(5)], "cpu").blocks is None
    assert Routing(index_N=torch.tensor([0, 1])).blocks is None


def test_layout_by_hand():
    """Segments of 1, 5 and 3 rows: blocks of 3, of which the long segment takes two."""
    blocks = Blocks.of_segments(((2, 0, 1), (0, 1, 6), (1, 6, 9)), torch.device("cpu"))
    assert blocks.scenario_B.tolist() == [2, 0, 0, 1]
    assert blocks.row_R.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8]
    assert blocks.place_N.tolist() == [0, 3, 4, 5, 6, 7, 9, 10, 11]
