"""What encoders of graph columns have in common: the graph of their items, and vectors of its entities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from polyscene.errors import DataError
from polyscene.features.encoder import Encoder, FitContext
from polyscene.features.identity import IdSpace, id_space
from polyscene.graph.items import ItemGraph


class EntityVectors(Encoder):
    """An encoder of a column of entities whose vectors are those of an id space, trained with the model."""

    @property
    def space(self) -> IdSpace:
        """The vectors of the entities."""
        space = self.shared["space"]
        assert isinstance(space, IdSpace)
        return space

    def fitted(self) -> dict[str, Any]:
        return self.space.fitted()

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.join_space(context).load_fitted(fitted)

    def join_space(self, context: FitContext) -> IdSpace:
        """The space, made on first use."""
        self.shared["space"] = id_space(context, self.config.space)
        return self.space

    def add_entities(self, entities: Iterable[str], context: FitContext) -> None:
        """Entities that train rows reach, which trains them, whether or not another scenario does too."""
        reached = sorted(set(entities))
        self.join_space(context).extend(context.spaces.get(self.config.space, reached))
        self.space.extend(reached)
        self.space.mark_trained(reached)

    def trained_positions(self) -> dict[str, int]:
        """The places of the entities whose vectors training reaches, by any scenario; the others hold noise."""
        seen = self.space.count_M.tolist()
        return {entity: place for entity, place in self.space.position.items() if seen[place]}

    def own_positions(self, values: pd.Series) -> torch.Tensor:
        """int32 ``[N]`` place of each row's entity, 0 where it has none that training reaches."""
        position = self.trained_positions()
        return torch.tensor([position.get(entity, 0) for entity in entities_of(values)], dtype=torch.int32)


def train_entities(values: pd.Series, context: FitContext) -> list[str]:
    """The entities of train rows, sorted."""
    return sorted(set(np.array(entities_of(values), dtype=object)[context.train_rows]) - {""})


def entities_of(values: pd.Series) -> list[str]:
    """The entity of each row, empty where it has none."""
    return values.fillna("").astype("str").tolist()


def graph_of(context: FitContext) -> ItemGraph:
    """The graph that the items of a context are linked to.

    Raises:
        DataError: they are linked to none.
    """
    if context.graph is None:
        raise DataError(
            "an encoder reads a knowledge graph, and no plugin has linked these items to one",
            where=context.owner,
            fix="train beside a scenario that lends its graph, as in scenario=[video,kg]",
        )
    return context.graph
