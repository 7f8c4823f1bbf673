"""Relation-aware attention over the entities around an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.config.validate import bounded
from polyscene.features.encoder import FitContext
from polyscene.features.neighborhood import EntityVectors, entities_of, graph_of, train_entities
from polyscene.lookup import lookup


@dataclass
class KgatEncoderConfig:
    """Options of the kgat encoder.

    Args:
        space: the id space of the entity vectors, shared with a scenario that completes facts of the same graph.
        most_neighbors: neighbors of an item that are looked at, the best connected ones.
    """

    space: str = "entity"
    most_neighbors: int = bounded(32, at_least=1)


class KgatEncoder(EntityVectors):
    """One layer of KGAT with its bi-interaction aggregator, ``[..., d_model]`` [Wang et al., KDD 2019, eq. 3-8].

    For an item that is entity h, over its facts (h, r, t)::

        pi(h, r, t) = (W_r e_t) . tanh(W_r e_h + e_r), softmax over the facts
        n = sum of pi e_t
        f = LeakyReLU(W_1 (e_h + n)) + LeakyReLU(W_2 (e_h * n))

    As ``(W_r e_t) . q = e_t . (W_r' q)``, relations cost a product per item and relation, none per fact. Neighbors
    are training facts of ``context.graph``; a fact that leads to the item is one that leads away under the inverse
    relation. An item without an entity gets zeros, and so does, for ``e_h``, an entity that no training reaches.

    As with every enriched column, the engine puts a closed gate behind it; there is none in here. Often most items
    are unknown to the graph, so where a step asks for more rows than are known, the known ones are computed once.
    """

    config: KgatEncoderConfig
    known_N: Tensor
    own_M: Tensor
    neighbor_MK: Tensor
    relation_MK: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        graph, most = graph_of(context), self.config.most_neighbors
        steps = {entity: graph.shared_around(entity, most) for entity in train_entities(values, context)}
        relations = sorted({step.relation for around in steps.values() for step in around})
        self._create(relations, context)
        self.add_entities([*steps, *(step.entity for around in steps.values() for step in around)], context)

    def fitted(self) -> dict[str, Any]:
        return {"relations": list(self.relations), **super().fitted()}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        super().load_fitted(fitted, context)
        self._create(fitted["relations"], context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        graph, position = graph_of(context), self.trained_positions()
        around = []
        for entity in entities_of(values):
            steps = graph.shared_around(entity, self.config.most_neighbors) if entity else []
            known = [step for step in steps if step.entity in position and step.relation in self.relations]
            around.append([(position[step.entity], self.relations[step.relation]) for step in known])
        own_N = self.own_positions(values)
        known = [row for row, pairs in enumerate(around) if pairs or own_N[row] > 0]
        known_N = torch.zeros(len(around), dtype=torch.int32)
        known_N[known] = torch.arange(1, len(known) + 1, dtype=torch.int32)
        width = max(map(len, around), default=0) or 1
        # Place 0 stands for all unknown items, entity 0 for the unknown one, relation -1 for 'no neighbor here'.
        padded = [pairs + [(0, -1)] * (width - len(pairs)) for pairs in [[], *(around[row] for row in known)]]
        pair_MK2 = torch.tensor(padded, dtype=torch.int32)
        self.register_rows("known_N", known_N)
        self.register_rows("own_M", functional.pad(own_N[known], (1, 0)))
        self.register_rows("neighbor_MK", pair_MK2[..., 0].contiguous())
        self.register_rows("relation_MK", pair_MK2[..., 1].contiguous())

    def forward(self, row: Tensor) -> Tensor:
        place_N = self.known_N[row.flatten()]
        if len(place_N) > len(self.own_M):
            every_M = torch.arange(len(self.own_M), device=row.device)
            return lookup(self._vectors(every_M), place_N).view(*row.shape, self.out_dim)
        return self._vectors(place_N).view(*row.shape, self.out_dim)

    def _vectors(self, place_N: Tensor) -> Tensor:
        """Vectors ``[N, d]`` of places among the known items, zero for place 0."""
        own_N, relation_NK = self.own_M[place_N], self.relation_MK[place_N].long()
        e_Nd = lookup(self.space.vector_Md, own_N) * (own_N > 0).unsqueeze(-1)
        around_Nd = self._around(e_Nd, self.neighbor_MK[place_N], relation_NK)
        mixed_Nd = functional.leaky_relu(self.add(e_Nd + around_Nd), 0.2)
        mixed_Nd = mixed_Nd + functional.leaky_relu(self.multiply(e_Nd * around_Nd), 0.2)
        return mixed_Nd * (place_N > 0).unsqueeze(-1)

    def _around(self, e_Nd: Tensor, neighbor_NK: Tensor, relation_NK: Tensor) -> Tensor:
        """The neighbors of items as one vector ``[N, d]``, zero where there are none."""
        t_NKd = lookup(self.space.vector_Md, neighbor_NK)
        query_NRk = (torch.einsum("nd,rdk->nrk", e_Nd, self.weight_Rdk) + self.relation_Rk).tanh()
        key_NRd = torch.einsum("nrk,rdk->nrd", query_NRk, self.weight_Rdk)
        here_NK = relation_NK >= 0
        logit_NK = (t_NKd @ key_NRd.mT).gather(-1, relation_NK.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        logit_NK = logit_NK.masked_fill(~here_NK, torch.finfo(logit_NK.dtype).min)
        weight_NK = logit_NK.softmax(dim=-1) * here_NK
        return (weight_NK.unsqueeze(1) @ t_NKd).squeeze(1)

    def _create(self, relations: list[str], context: FitContext) -> None:
        d = self.out_dim = context.d_model
        self.relations = {relation: index for index, relation in enumerate(relations)}
        # Without any relation there is still one, which no neighbor asks for: it keeps the shapes.
        count = max(1, len(relations))
        weights = [nn.init.xavier_uniform_(torch.empty(d, d)) for _ in range(count)]
        self.weight_Rdk = nn.Parameter(torch.stack(weights))
        self.relation_Rk = nn.Parameter(0.05 * torch.randn(count, d))
        self.add, self.multiply = nn.Linear(d, d), nn.Linear(d, d)
