"""Looking vectors up is an embedding, gradients included."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from polyscene.lookup import lookup


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("shape", [(50,), (6, 7), (0,), ()])
def test_it_is_an_embedding_to_the_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    vector_Ld = torch.randn(9, 4, requires_grad=True)
    index = torch.randint(0, 9, shape, dtype=dtype)
    weight = torch.randn(*shape, 4)
    found, expected = lookup(vector_Ld, index), functional.embedding(index, vector_Ld)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad((one * weight).sum(), vector_Ld)[0] for one in (found, expected)]
    assert torch.equal(*gradients)
