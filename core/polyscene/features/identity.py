"""Ids: a free vector for every entity that training saw."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.data.columns import Id
from polyscene.errors import ConfigError
from polyscene.features.encoder import Encoder, FitContext, safe_key
from polyscene.features.values import unique_labels
from polyscene.lookup import lookup


@dataclass
class IdEncoderConfig:
    """Options of the id encoder.

    Args:
        init_std: standard deviation of the vectors at the start.
    """

    init_std: float = 0.05

    def __post_init__(self) -> None:
        if self.init_std <= 0:
            raise ConfigError(f"init_std is {self.init_std}", where="encoder 'id'", fix="use a positive number")


class IdEncoder(Encoder):
    """A vector per id of a space, ``[..., d_model]``, shared by all encoders of that space.

    An id has its own vector if it occurs in a training interaction of any scenario of its space; all others get
    the unknown vector. A column without a space has one of its own, named after the table.
    """

    config: IdEncoderConfig
    is_identity = True
    id_N: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        code_N, labels = unique_labels(values)
        count_M = np.bincount(code_N[code_N >= 0], context.row_counts()[code_N >= 0], len(labels))
        seen = {label: int(count) for label, count in zip(labels, count_M, strict=True) if count}
        space = self._join_space(context)
        space.extend(context.spaces.get(self._space_name(context), seen))
        space.mark_trained(seen)

    def fitted(self) -> dict[str, Any]:
        return {"ids": list(self._space.position)}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._join_space(context).extend(fitted["ids"])

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, labels = unique_labels(values)
        position = self._space.position
        # The extra last entry answers the code -1 of a missing id.
        id_M = torch.tensor([*(position.get(label, 0) for label in labels), 0], dtype=torch.int32)
        self.register_rows("id_N", id_M[torch.from_numpy(code_N)])

    def forward(self, row: Tensor) -> Tensor:
        return self._space(self.id_N[row])

    def forward_dropped(self, row: Tensor, dropped: Tensor) -> Tensor:
        # Position 0 is the unknown vector: one lookup does, where two would have two gradients of the whole size.
        return self._space(self.id_N[row] * ~dropped)

    def counts(self, row: Tensor) -> Tensor:
        return self._space.count_M[self.id_N[row]]

    def unknown(self) -> Tensor:
        return self._space.vector_Md[0]

    @property
    def _space(self) -> IdSpace:
        space = self.shared["space"]
        assert isinstance(space, IdSpace)
        return space

    def _space_name(self, context: FitContext) -> str:
        return (self.column.space if isinstance(self.column, Id) else "") or context.owner

    def _join_space(self, context: FitContext) -> IdSpace:
        self.out_dim = context.d_model
        self.shared["space"] = id_space(context, self._space_name(context), self.config.init_std)
        return self._space


class IdSpace(nn.Module):
    """Vectors ``vector_Md`` of the ids of one space; row 0 is the unknown vector.

    ``count_M`` says how often training saw each id, over all tables of the space. It is saved, as the vectors of
    those that it never saw are noise.
    """

    looked_up = ("vector_Md",)
    count_M: Tensor

    def __init__(self, d_model: int, init_std: float) -> None:
        super().__init__()
        self.init_std = init_std
        self.position: dict[str, int] = {}
        self.vector_Md = nn.Parameter(init_std * torch.randn(1, d_model))
        self.register_buffer("count_M", torch.zeros(1))

    def extend(self, ids: Iterable[str]) -> None:
        """Add the ids that the space does not hold yet; the others keep their place and vector."""
        before = len(self.position)
        for label in ids:
            self.position.setdefault(str(label), len(self.position) + 1)
        count = len(self.position) - before
        old_Md = self.vector_Md.detach()
        fresh = self.init_std * torch.randn(count, old_Md.shape[1], device=old_Md.device)
        self.vector_Md = nn.Parameter(torch.cat([old_Md, fresh]))
        self.count_M = torch.cat([self.count_M, self.count_M.new_zeros(count)])

    def fitted(self) -> dict[str, Any]:
        """The ids in their order, JSON-serialisable."""
        return {"ids": list(self.position)}

    def load_fitted(self, fitted: Mapping[str, Any]) -> None:
        """Make room for the ids of :meth:`fitted`; a checkpoint brings their vectors."""
        self.extend(fitted["ids"])

    def branch(self) -> IdSpace:
        """A space that starts with these vectors, of those of its ids that were trained, and goes its own way."""
        return copy.deepcopy(self).requires_grad_()

    def mark_trained(self, ids: Mapping[str, int] | Iterable[str]) -> None:
        """Ids of the space that occur in training, and how often if that is known; others stay unknown."""
        counts = ids if isinstance(ids, Mapping) else dict.fromkeys(ids, 1)
        known = {
            self.position[str(label)]: count for label, count in counts.items() if str(label) in self.position
        }
        place_M = torch.tensor(list(known), dtype=torch.int64, device=self.count_M.device)
        self.count_M[place_M] += torch.tensor(
            list(known.values()), dtype=torch.float32, device=self.count_M.device
        )

    def forward(self, position: Tensor) -> Tensor:
        """Vectors ``[..., d]`` at int positions; an untrained position gives the unknown vector."""
        return lookup(self.vector_Md, position * (self.count_M[position] > 0))


def id_space(context: FitContext, name: str, init_std: float = 0.05) -> IdSpace:
    """The vectors of the id space ``name``, made on first use and shared by everyone who asks for it.

    An encoder keeps the space in ``self.shared``, adds its ids with :meth:`IdSpace.extend` and says with
    :meth:`IdSpace.mark_trained` which of them its training rows reach.
    """
    space = context.shared.get(f"id-{safe_key(name)}", lambda: IdSpace(context.d_model, init_std))
    assert isinstance(space, IdSpace)
    return space
