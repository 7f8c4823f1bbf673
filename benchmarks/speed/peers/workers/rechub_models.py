"""torch-rechub's multi-task models, as large as another model is."""

# The peer is installed in its own environment only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.multi_task import MMOE, PLE, SharedBottom

WIDTH, TOWER, WIDEST = 16, {"dims": [8]}, 256


def network(name: str, sizes: dict[str, int], width: int) -> nn.Module:
    """A model with hidden layers of a width; other choices are those of the library's examples."""
    features = [SparseFeature(field, vocab_size=size, embed_dim=WIDTH) for field, size in sizes.items()]
    tasks, towers = ["classification"] * 3, [TOWER] * 3
    if name == "shared bottom":
        return SharedBottom(features, tasks, {"dims": [width]}, towers)
    if name == "mmoe":
        return MMOE(features, tasks, 4, {"dims": [width]}, towers)
    return PLE(features, tasks, 1, 1, 1, {"dims": [width]}, towers)


def widest(build: Callable[[int], nn.Module], parameters: int) -> int:
    """The largest width with at most so many parameters outside the tables."""
    fitting = [width for width in range(4, WIDEST, 2) if dense(build(width)) <= parameters]
    return max(fitting, default=4)


def dense(model: nn.Module) -> int:
    """Parameters outside of the tables."""
    tables = sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Embedding))
    return sum(parameter.numel() for parameter in model.parameters()) - tables
