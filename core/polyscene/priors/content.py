"""Content: items whose text is like the texts of the history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.config.validate import bounded
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import per_item
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.registry.components import Component


@dataclass
class ContentConfig(PriorConfig):
    """Options of the content prior.

    Args:
        decay: weight of a row of the history relative to the one after it, where rows have an order.
    """

    decay: float = bounded(1.0, at_least=0, at_most=1)
    first_gate: float = bounded(5.0, at_least=0)


class Content(Prior):
    """Cosine of an item's text vector with the mean of the history's, over text vectors less their mean.

    The backbone's vectors of short texts have a large part in common, which is taken off. No rows are counted, so
    there is nothing to leave out, and an item that nobody had is scored like any other.

    Raises:
        DataError: the items have no text.
    """

    reads_texts = True
    config: ContentConfig
    vector_Nh: Tensor
    mean_h: Tensor

    def __init__(self, config: ContentConfig, data: PriorData) -> None:
        super().__init__(config, data)
        self.ordered = data.events.ordered
        vector_Nh = data.item_vectors()
        if vector_Nh is None:
            raise DataError(
                "prior 'content' compares texts, and the items have none",
                where=data.where,
                fix="leave it out, or declare a text column",
            )
        self.register_buffer("mean_h", vector_Nh.mean(dim=0), persistent=False)
        self._set(vector_Nh)

    def receive(self, data: PriorData) -> None:
        vector_Nh = data.item_vectors()
        assert vector_Nh is not None
        self._set(vector_Nh.to(self.mean_h))

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        return

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        weight_QL = past.valid_BT.float()
        if self.ordered and self.config.decay < 1:
            age_QL = past.length_B.unsqueeze(1) - 1 - torch.arange(past.valid_BT.shape[1], device=weight_QL.device)
            weight_QL = weight_QL * self.config.decay ** age_QL.clamp(min=0).float()
        mean_Qh = per_item(past, weight_QL, len(self.vector_Nh)) @ self.vector_Nh
        return functional.normalize(mean_Qh) @ self.vector_Nh.T

    def _set(self, vector_Nh: Tensor) -> None:
        self.register_buffer("vector_Nh", functional.normalize(vector_Nh - self.mean_h), persistent=False)


COMPONENT = Component("prior", "content", Content, ContentConfig)
