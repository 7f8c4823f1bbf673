"""What the graph knows about an item: its own entity and the entities around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene import Component, Encoder, FitContext, id_space

SPACE = "kg_entity"
SEPARATOR = "|"


def cell(entity: str, neighbors: list[tuple[str, str]]) -> str:
    """The value of a graph column: the item's entity, then ``relation entity`` of each neighbor."""
    return SEPARATOR.join([entity, *(f"{relation} {neighbor}" for relation, neighbor in neighbors)])


class GraphEncoder(Encoder):
    """Own entity beside a relation-aware mean of the neighbors: ``W [e_i ; sum_j a_j e_j]``, ``[..., d_model]``.

    ``a_j`` is a softmax over the item's neighbors of one learned number per relation, 0 at start (a plain mean):
    a director may say more than a country. It is the attention of KGAT [Wang et al., KDD 2019] with the relation
    alone as key, which costs one lookup per neighbor. Vectors are those of the id space ``kg_entity``, the same
    that the triple task learns. Cells are made by :func:`cell`; an item without one gets zeros.

    As with every enriched column, the engine puts a closed gate behind it; there is none in here.
    """

    own_N: Tensor
    neighbor_NK: Tensor
    relation_NK: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        cells = _parsed(values)
        relations = sorted({relation for _, neighbors in cells for relation, _ in neighbors})
        entities = sorted({name for entity, around in cells for name in (entity, *(n for _, n in around)) if name})
        self._create(relations, context)
        self._space.extend(context.spaces.get(SPACE, entities))
        # Every entity in a cell is trained through the item, whether or not the kg scenario trains it too.
        self._space.mark_trained(entities)

    def fitted(self) -> dict[str, Any]:
        return {"relations": list(self.relations), "ids": list(self._space.position)}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._create(fitted["relations"], context)
        self._space.extend(fitted["ids"])

    def bind(self, values: pd.Series, context: FitContext) -> None:
        cells, position = _parsed(values), self._space.position
        width = max((len(neighbors) for _, neighbors in cells), default=0) or 1
        # Position 0 is the unknown entity and relation 0 means 'no neighbor here'.
        own = [position.get(entity, 0) for entity, _ in cells]
        neighbor, relation = [], []
        for _, neighbors in cells:
            known = [
                (position[n], self.relations[r]) for r, n in neighbors if n in position and r in self.relations
            ]
            pad = [0] * (width - len(known))
            neighbor.append([n for n, _ in known] + pad)
            relation.append([r for _, r in known] + pad)
        self.register_rows("own_N", torch.tensor(own, dtype=torch.int32))
        self.register_rows("neighbor_NK", torch.tensor(neighbor, dtype=torch.int32).reshape(-1, width))
        self.register_rows("relation_NK", torch.tensor(relation, dtype=torch.int32).reshape(-1, width))

    def forward(self, row: Tensor) -> Tensor:
        own, vectors = self.own_N[row.flatten()], self._space.vector_Md
        neighbor, relation = self.neighbor_NK[row.flatten()], self.relation_NK[row.flatten()]
        logit = self.logit_R[relation].masked_fill(relation == 0, torch.finfo(vectors.dtype).min)
        weight = logit.softmax(dim=-1) * (relation > 0)
        # Empty places weigh nothing anyway; as padding they also cost nothing.
        around = functional.embedding_bag(neighbor, vectors, per_sample_weights=weight, mode="sum", padding_idx=0)
        encoded = self.linear(torch.cat([functional.embedding(own, vectors), around], dim=-1))
        return (encoded * (own > 0).unsqueeze(-1)).reshape(*row.shape, self.out_dim)

    @property
    def _space(self) -> Any:
        return self.shared["space"]

    def _create(self, relations: list[str], context: FitContext) -> None:
        self.out_dim = context.d_model
        self.relations = {relation: index + 1 for index, relation in enumerate(relations)}
        self.logit_R = nn.Parameter(torch.zeros(len(relations) + 1))
        self.linear = nn.Linear(2 * context.d_model, context.d_model)
        self.shared["space"] = id_space(context, SPACE)


def _parsed(values: pd.Series) -> list[tuple[str, list[tuple[str, str]]]]:
    """``(entity, [(relation, neighbor), ...])`` of each cell, ``("", [])`` where there is none."""
    cells: list[tuple[str, list[tuple[str, str]]]] = []
    for value in values.fillna("").astype("str"):
        entity, *around = value.split(SEPARATOR)
        pairs = [part.split(" ", 1) for part in around]
        cells.append((entity, [(relation, neighbor) for relation, neighbor in pairs]))
    return cells


COMPONENTS = [Component("encoder", "graph", GraphEncoder)]
