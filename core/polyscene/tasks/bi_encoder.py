"""Bi-encoder: head and relation are read together, tails on their own, and ranked by inner products."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.tasks.facts import RELATION, KnownFacts
from polyscene.tasks.products import ProductTask
from polyscene.tasks.ranking import build_loss
from polyscene.tasks.reading import FactReader, fact_texts
from polyscene.tasks.task import Catalogue, TaskContext


@dataclass
class BiEncoderConfig:
    """Options of the bi-encoder task.

    Args:
        loss: the loss component that compares the true tail with those of other rows.
        loss_options: options of that loss.
        hidden: width of the network on what was read of head and relation.
        negatives: number of tails of other rows that each row is compared with, the same for all.
    """

    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    hidden: int = 512
    negatives: int = 1024


class BiEncoderTask(ProductTask):
    """Scores ``c <f(h, r), x_t>`` with in-batch negatives, as SimKGC does [Wang et al., ACL 2022].

    ``f(h, r)`` is a network on what :class:`~polyscene.tasks.reading.FactReader` reads of the two texts, ``x_t``
    the adapted vector of the entity. Where entities are described by text alone, those that training never saw can
    be asked for and found. In-batch tails come in proportion to their number of facts, which ``log q`` takes off;
    those that make a training fact are no negatives.

    Raises:
        DataError: an entity has no text.
    """

    from_history: ClassVar[bool] = False
    compares_all: ClassVar[bool] = False
    config: BiEncoderConfig
    share_N: Tensor

    def __init__(self, config: BiEncoderConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        self.reader = FactReader(context)
        self.network = nn.Sequential(
            nn.Linear(self.reader.width, config.hidden), nn.GELU(), nn.Linear(config.hidden, context.d_model)
        )
        self.log_scale = nn.Parameter(torch.tensor(-0.5 * math.log(context.d_model)))
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        self.known = KnownFacts(context.events)
        tail_M = self.known.key_M % context.events.n_items
        count_N = torch.bincount(tail_M, minlength=context.events.n_items).float()
        self.register_buffer("share_N", (count_N / count_N.sum()).clamp(min=1e-9), persistent=False)

    @classmethod
    def texts(cls, config: Any, context: TaskContext) -> Sequence[str]:
        return fact_texts(context)

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        relation_B = windows.columns[RELATION][:, 0].long()
        return self.network(self.reader.queries(windows.user_B, relation_B)).unsqueeze(1)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        scale, item_BT = self.log_scale.exp(), windows.item_BT
        x_BTd = catalogue.take(item_BT)
        positive_BT = (h_BTd * x_BTd).sum(-1) * scale
        drawn_C = torch.randint(item_BT.numel(), (self.config.negatives,), device=item_BT.device)
        item_C, x_Cd = item_BT.flatten()[drawn_C], x_BTd.flatten(0, 1)[drawn_C]
        log_q_C = torch.log(self.share_N[item_C] * self.config.negatives)
        candidates_BTC = nn.functional.linear(h_BTd, scale * x_Cd, -log_q_C)
        user_B1, relation_BT = windows.user_B.unsqueeze(1), windows.columns[RELATION].long()
        true_BTC = self.known(user_B1.unsqueeze(-1), relation_BT.unsqueeze(-1), item_C)
        return self.ranking_loss(
            positive_BT, candidates_BTC.masked_fill(true_BTC, -math.inf), windows, includes_positive=False
        )

    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        return self.log_scale.exp() * h_Bd

    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        return x_Nd, x_Nd.new_zeros(len(items_N))
