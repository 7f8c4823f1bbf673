"""Triple: which entity completes (head, relation, ?)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.graph.scoring import triple_scoring
from polyscene.tasks.ranking import build_loss, n_candidates
from polyscene.tasks.task import Catalogue, Task, TaskContext


@dataclass
class TripleConfig:
    """Options of the triple task.

    Args:
        scoring: the scoring function, a name of :data:`polyscene.graph.scoring.SCORINGS`.
        loss: the loss component that compares the true tail with candidates.
        loss_options: options of that loss.
        full_softmax_entities: entity sets up to this size are compared whole, larger ones by uniform candidates.
        candidates: number of those candidates; see :class:`~polyscene.tasks.ranking.RankingConfig`.
    """

    scoring: str = "distmult"
    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    full_softmax_entities: int = 5_000
    candidates: int = 2048


class TripleTask(Task):
    """Makes a query of head and relation and ranks all tails by it.

    Every fact is two rows, (head, relation, tail) and (tail, inverse relation, head), so one direction is enough
    [Lacroix et al., ICML 2018]. Relations are the codes of the event column ``relation``.
    """

    from_history: ClassVar[bool] = False
    config: TripleConfig

    def __init__(self, config: TripleConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        relation_R = context.events.columns["relation"]
        n_relations = int(relation_R.max()) + 1 if len(relation_R) else 1
        self.scoring = triple_scoring(config.scoring, context.d_model)
        self.relation = nn.Embedding(n_relations, context.d_model)
        # Around 1, a product with the head starts as the head; for a translation that is a small common shift.
        nn.init.normal_(self.relation.weight, mean=1.0, std=0.1)
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        self.scale = 1 / math.sqrt(context.d_model)

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        head_B1d = catalogue.take(windows.user_B).unsqueeze(1)
        return self.scoring.tail_query(head_B1d, self.relation(windows.columns["relation"].long()))

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        if catalogue.whole and catalogue.n_items <= self.config.full_softmax_entities:
            positive_BT = self.scoring.paired(h_BTd, catalogue.take(windows.item_BT)) * self.scale
            return self.ranking_loss(
                positive_BT, self._scores(h_BTd, catalogue.all()), windows, includes_positive=True
            )
        count = n_candidates(self.config.candidates, windows.item_BT, catalogue)
        item_C = torch.randint(catalogue.n_items, (count,), device=h_BTd.device)
        # Tails and candidates in one request: each request of a large catalogue has a gradient of its whole size.
        x_Rd = catalogue.take(torch.cat([windows.item_BT.flatten(), item_C]))
        tail_BTd = x_Rd[:-count].view_as(h_BTd)
        positive_BT = self.scoring.paired(h_BTd, tail_BTd) * self.scale
        # The candidates stand for the whole catalogue, as in a sampled softmax with uniform q.
        correction = math.log(count / catalogue.n_items)
        candidates_BTC = self._scores(h_BTd, x_Rd[-count:]) - correction
        candidates_BTC = candidates_BTC.masked_fill(item_C == windows.item_BT.unsqueeze(-1), -math.inf)
        return self.ranking_loss(positive_BT, candidates_BTC, windows, includes_positive=False)

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        return self.scoring.scores(h_Bd, x_Nd) * self.scale

    def _scores(self, h_BTd: Tensor, x_Cd: Tensor) -> Tensor:
        scores_MC = self.scoring.scores(h_BTd.flatten(0, 1), x_Cd) * self.scale
        return scores_MC.view(*h_BTd.shape[:2], -1)
