"""A function of each vector alone: computed for labels where these are fewer than rows, and the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.data.columns import Category
from polyscene.features.category import CategoryEncoder, CategoryEncoderConfig
from polyscene.features.encoder import FitContext, SharedModules


def color_encoder() -> CategoryEncoder:
    torch.manual_seed(0)
    values = pd.Series(["red", "blue", "red", "green", "blue", "red"])
    context = FitContext(8, np.ones(6, dtype=bool), SharedModules(), lambda _: torch.zeros(0), 0)
    encoder = CategoryEncoder(CategoryEncoderConfig(), Category("color"))
    encoder.fit(values, context)
    encoder.bind(values, context)
    return encoder


def test_few_labels_and_many_rows_give_the_same_as_row_by_row() -> None:
    encoder, norm = color_encoder(), nn.LayerNorm(8)
    nn.init.normal_(norm.weight)
    row = torch.randint(0, 6, (5, 4))
    weight = torch.randn(5, 4, 8)
    parameters = [encoder.vector_Ld, *norm.parameters()]
    found, expected = encoder.mapped(row, norm), norm(encoder(row))
    assert torch.equal(found, expected)
    for one, other in zip(
        *(torch.autograd.grad((x * weight).sum(), parameters) for x in (found, expected)), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_the_function_sees_no_more_vectors_than_there_are() -> None:
    encoder = color_encoder()
    seen: list[int] = []

    def counted(vectors: Tensor) -> Tensor:
        seen.append(len(vectors))
        return vectors

    encoder.mapped(torch.arange(6), counted)
    encoder.mapped(torch.arange(2), counted)
    assert seen == [len(encoder.vector_Ld), 2]
