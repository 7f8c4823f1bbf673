"""What the facts alone say about an item: structural vectors beside its other columns."""

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
from polyscene.graph.vectors import structural_vectors
from polyscene.lookup import lookup


@dataclass
class SideVectorsEncoderConfig:
    """Options of the side_vectors encoder.

    Args:
        space: the id space of the entity vectors, where they are trained with the model.
        frozen: learn the vectors from the facts before training and keep them; false takes those of the id space,
            which a scenario that completes facts of the same graph trains at the same time.
        scoring: the scoring function that frozen vectors are learned with.
        width: of frozen vectors.
        epochs: passes over the facts.
    """

    space: str = "entity"
    frozen: bool = True
    scoring: str = "distmult"
    width: int = bounded(64, at_least=1)
    epochs: int = bounded(10, at_least=0)


class SideVectorsEncoder(EntityVectors):
    """A linear map of the vector of the item's entity, ``[..., d_model]``; zeros for an item without one.

    Frozen vectors come from :func:`polyscene.graph.vectors.structural_vectors` on the facts of ``context.graph``,
    which are training facts. They are kept in the checkpoint.

    As with every enriched column, the engine puts a closed gate behind it; there is none in here.
    """

    config: SideVectorsEncoderConfig
    frozen_Ew: Tensor
    own_N: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        if not self.config.frozen:
            self.add_entities(train_entities(values, context), context)
            self._create([], context)
            return
        options, graph = self.config, graph_of(context)
        row, vector_Mw = structural_vectors(
            graph.graph,
            scoring=options.scoring,
            width=options.width,
            epochs=options.epochs,
            seed=context.seed,
        )
        known = sorted(entity for entity in set(graph.entity_of.values()) if entity in row)
        self._create(known, context)
        # Row 0 is for items without an entity; the others have length sqrt(w), so that no scoring speaks louder.
        vector_Ew = functional.normalize(vector_Mw[[row[entity] for entity in known]], dim=-1)
        self.frozen_Ew[1:] = vector_Ew * options.width**0.5

    def fitted(self) -> dict[str, Any]:
        return {"entities": self.entities} if self.config.frozen else super().fitted()

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        if not self.config.frozen:
            super().load_fitted(fitted, context)
        self._create(fitted.get("entities", []), context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        if not self.config.frozen:
            self.register_rows("own_N", self.own_positions(values))
            return
        position = {entity: index for index, entity in enumerate(self.entities, start=1)}
        own = [position.get(entity, 0) for entity in entities_of(values)]
        self.register_rows("own_N", torch.tensor(own, dtype=torch.int32))

    def forward(self, row: Tensor) -> Tensor:
        own = self.own_N[row]
        vector = lookup(self.frozen_Ew if self.config.frozen else self.space.vector_Md, own)
        return self.linear(vector) * (own > 0).unsqueeze(-1)

    def _create(self, entities: list[str], context: FitContext) -> None:
        self.out_dim, self.entities = context.d_model, list(entities)
        width = self.config.width if self.config.frozen else context.d_model
        if self.config.frozen:
            self.register_buffer("frozen_Ew", torch.zeros(len(entities) + 1, width))
        self.linear = nn.Linear(width, context.d_model)
