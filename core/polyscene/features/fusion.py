"""The fusion contract: the encoder outputs of one entity become one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Combines named fields into one vector of width ``d_model``.

    Fields arrive normalized, each on its own (:class:`~polyscene.features.entity.EntityEncoder`). A field of zeros
    is one whose gate is closed: it must leave the result of the other fields as it would be without it.

    Args:
        config: the fusion's options.
        dims: width of each field, in a fixed order.
        d_model: width of the result.
    """

    def __init__(self, config: Any, dims: Mapping[str, int], d_model: int) -> None:
        super().__init__()
        self.config, self.dims, self.d_model = config, dict(dims), d_model

    @abstractmethod
    def forward(self, fields: Mapping[str, Tensor]) -> Tensor:
        """Combine ``{name: [..., dims[name]]}`` into ``[..., d_model]``."""


def field_linears(dims: Mapping[str, int], d_model: int) -> nn.ModuleDict:
    """One ``Linear(dim, d_model)`` without bias per field, together initialized as one map over all fields.

    Their sum is the linear map of the concatenated fields, but a field's parameter keeps its name and shape when
    other fields are added.
    """
    linears = nn.ModuleDict()
    for name, dim in dims.items():
        linear = nn.Linear(dim, d_model, bias=False)
        with torch.no_grad():
            linear.weight.mul_(len(dims) ** -0.5)
        linears[name] = linear
    return linears
