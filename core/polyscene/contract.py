"""What a part must return, checked where the engine receives it, so that a fault is named at its source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from polyscene.errors import ContractError


def with_shape(found: Any, shape: Sequence[int], of: object, fix: str) -> Tensor:
    """``found`` itself, where it is a tensor of this shape; shapes are known on the host, so nothing waits.

    Raises:
        ContractError: it is something else.
    """
    if not isinstance(found, Tensor):
        raise ContractError(of, f"returned {type(found).__name__} instead of a tensor", fix=fix)
    if tuple(found.shape) != tuple(shape):
        raise ContractError(of, f"returned a tensor {list(found.shape)} instead of {list(shape)}", fix=fix)
    return found
