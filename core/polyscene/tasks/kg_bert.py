"""KG-BERT: a whole fact is read as one text and judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.tasks.facts import RELATION, KnownFacts
from polyscene.tasks.ranking import build_loss
from polyscene.tasks.reading import FactReader, fact_texts
from polyscene.tasks.task import Catalogue, Task, TaskContext

# Facts that are read at once where no gradient is needed.
_PORTION = 2048


@dataclass
class KgBertConfig:
    """Options of the KG-BERT task.

    Args:
        loss: the loss component that sets a fact beside its corruptions: ``softmax``, or as published ``binary``.
        loss_options: options of that loss.
        negatives: number of corrupted facts for each true one, in each of its two directions.
        hidden: width of the network on what was read.
    """

    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    negatives: int = 5
    hidden: int = 256


class KgBertTask(Task):
    """Scores ``w MLP(read("[CLS] h [SEP] r [SEP] t [SEP]"))`` [Yao et al., arXiv 1909.03193].

    Both rows of a fact (h, r, t) and (t, inverse r, h) read the same text; they differ in which entity is
    corrupted. Corruptions that make a training fact are left out. Ranking reads as many texts as there are
    entities for each question, so it is for small graphs or few questions. The scenario's own part is its adapter
    in the backbone (``backbone=lora``); adapters of vectors have nothing to act on.

    Raises:
        DataError: an entity has no text.
    """

    from_history: ClassVar[bool] = False
    compares_all: ClassVar[bool] = False
    reads_together: bool = True
    config: KgBertConfig

    def __init__(self, config: KgBertConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        self.reader = FactReader(context)
        self.network = nn.Sequential(
            nn.Linear(self.reader.width, config.hidden), nn.GELU(), nn.Linear(config.hidden, 1)
        )
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        self.known = KnownFacts(context.events)

    @classmethod
    def texts(cls, config: Any, context: TaskContext) -> Sequence[str]:
        return fact_texts(context)

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        """The entity asked about, for a router to read; facts are judged by their text."""
        return catalogue.take(windows.user_B).unsqueeze(1)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        item_BT, relation_BT = windows.item_BT, windows.columns[RELATION].long()
        corrupted_BTC = torch.randint(
            catalogue.n_items, (*item_BT.shape, self.config.negatives), device=item_BT.device
        )
        answer_BTC = torch.cat([item_BT.unsqueeze(-1), corrupted_BTC], dim=-1)
        known_BTC = windows.user_B[:, None, None].expand_as(answer_BTC)
        relation_BTC = relation_BT.unsqueeze(-1).expand_as(answer_BTC)
        logit_BTC = self._logits(known_BTC.flatten(), relation_BTC.flatten(), answer_BTC.flatten())
        logit_BTC = logit_BTC.view_as(answer_BTC)
        true_BTC = self.known(known_BTC, relation_BTC, answer_BTC)[..., 1:]
        return self.ranking_loss(
            logit_BTC[..., 0],
            logit_BTC[..., 1:].masked_fill(true_BTC, -math.inf),
            windows,
            includes_positive=False,
        )

    def joint_scores(self, windows: Windows, items_N: Tensor) -> Tensor:
        # Facts that differ in their answer alone ask the same: each question is read once.
        asked_B2 = torch.stack([windows.user_B, windows.columns[RELATION][:, 0].long()], dim=1)
        asked_Q2, question_B = asked_B2.unique(dim=0, return_inverse=True)
        known, relation = (part.repeat_interleave(len(items_N)) for part in asked_Q2.unbind(1))
        answer = items_N.repeat(len(asked_Q2))
        portions = zip(known.split(_PORTION), relation.split(_PORTION), answer.split(_PORTION), strict=True)
        logit = torch.cat([self._logits(*portion) for portion in portions])
        return logit.view(len(asked_Q2), -1)[question_B]

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        raise NotImplementedError("facts are read as a whole: ask for joint_scores")

    def _logits(self, known: Tensor, relation: Tensor, answer: Tensor) -> Tensor:
        return self.network(self.reader.facts(known, relation, answer)).squeeze(-1)
