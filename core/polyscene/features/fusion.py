"""The fusion contract: the encoder outputs of one entity become one vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Combines named fields into one vector of width ``d_model``.

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
