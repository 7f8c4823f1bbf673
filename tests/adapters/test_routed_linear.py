"""The products of rows with their scenarios' matrices, in each of the ways they are computed, row by row."""

from __future__ import annotations

import pytest
import torch

from polyscene.adapters import bank as bank_module
from polyscene.adapters import grouped
from polyscene.adapters.bank import Routing, routed_linear
from polyscene.adapters.grouped import can_group

K = 12
FEW = [(0, 4), (3, 1), (4, 0), (11, 6)]
MANY = [(k, 1 + k % 3) for k in range(K)]
TWICE = [(5, 2), (1, 3), (5, 4)]


def check(routing, dtype=torch.float32, shape=(8, 4), vectors=()):
    assert routing.index_N is not None
    generator = torch.Generator().manual_seed(0)
    h_Ni = torch.randn(len(routing.index_N), *vectors, shape[0], dtype=dtype, generator=generator).requires_grad_()
    weight_Kio = torch.randn(K, *shape, dtype=dtype, generator=generator).requires_grad_()
    out_No = routed_linear(h_Ni, weight_Kio, routing)
    expected = torch.stack([h @ weight_Kio[k] for h, k in zip(h_Ni, routing.index_N.tolist(), strict=True)])
    torch.testing.assert_close(out_No, expected)
    # The gradient of a plain sum is one number that is said to fill a matrix.
    gradients = torch.autograd.grad(out_No.sum(), [h_Ni, weight_Kio])
    for found, wanted in zip(gradients, torch.autograd.grad(expected.sum(), [h_Ni, weight_Kio]), strict=True):
        torch.testing.assert_close(found, wanted)
    return h_Ni, weight_Kio


@pytest.mark.parametrize("vectors", [(), (3,)])
@pytest.mark.parametrize("counts", [FEW, MANY, [(7, 5)]])
def test_large_products_of_segments_in_order_go_in_one_call(counts, vectors, monkeypatch):
    monkeypatch.setattr(grouped, "_SMALL_PRODUCT", 1)
    routing = Routing.of_segments(counts, "cpu")
    h_Ni, weight_Kio = check(routing, vectors=vectors)
    assert can_group(h_Ni, weight_Kio, routing.segments, few=8) == (len(counts) > 1)


def test_many_small_products_go_in_blocks():
    routing = Routing.of_segments(MANY, "cpu")
    h_Ni, weight_Kio = check(routing)
    assert not can_group(h_Ni, weight_Kio, routing.segments, few=8)
    assert can_group(h_Ni, weight_Kio, routing.segments, few=len(MANY))


@pytest.mark.parametrize("vectors", [(), (3,)])
@pytest.mark.parametrize("counts", [FEW, MANY, TWICE, TWICE * 4])
@pytest.mark.parametrize(("dtype", "shape"), [(torch.float64, (8, 4)), (torch.float32, (7, 5))])
def test_segments_that_the_call_refuses_go_one_by_one_or_in_blocks(counts, vectors, dtype, shape):
    routing = Routing.of_segments(counts, "cpu")
    h_Ni, weight_Kio = check(routing, dtype, shape, vectors)
    assert not can_group(h_Ni, weight_Kio, routing.segments, few=K)
    assert (routing.blocks is not None) == (len(counts) > 8)


def test_matrices_with_gaps_go_in_one_call_too():
    routing = Routing.of_segments(FEW, "cpu")
    h_Ni, wide_Kio = torch.randn(11, 18)[:, 1:9], torch.randn(K, 8, 9)
    for weight_Kio in (wide_Kio[..., 2:6], wide_Kio[:, :4].mT[:, :8]):
        expected = [h @ weight_Kio[k] for h, k in zip(h_Ni, routing.index_N.tolist(), strict=True)]
        torch.testing.assert_close(routed_linear(h_Ni, weight_Kio, routing), torch.stack(expected))


@pytest.mark.parametrize("copied", [0, 2**20])
@pytest.mark.parametrize("vectors", [(), (3,)])
def test_rows_in_any_order_copy_their_matrices_or_go_through_all(copied, vectors, monkeypatch):
    monkeypatch.setattr(bank_module, "_COPIED_WEIGHTS", copied)
    check(Routing(index_N=torch.tensor([3, 0, 11, 3, 3, 1])), vectors=vectors)
