"""Triple: which entity completes (head, relation, ?), from vectors alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.graph.scoring import cubed_moduli, triple_scoring
from polyscene.lookup import lookup
from polyscene.tasks.facts import RELATION, check_relations_seen, count_relations
from polyscene.tasks.own_vectors import OwnVectors
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
        own_width: width of vectors of entities and relations that the task keeps for itself, as published; no
            adapter acts on them, and they know entities of training facts only. With 0 the task compares the
            vectors that the scenario's columns make, which it shares with whoever reads them.
        regularization: ``n3`` adds the cubed moduli of head, relation and tail to a row's loss, ``l2`` their
            squares.
        regularization_weight: how much of it.
    """

    scoring: str = "distmult"
    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    full_softmax_entities: int = 5_000
    candidates: int = 2048
    own_width: int = 0
    regularization: Literal["none", "n3", "l2"] = "none"
    regularization_weight: float = 0.01


class TripleTask(Task):
    """Makes a query of head and relation and ranks all tails by it.

    Every fact is two rows, (head, relation, tail) and (tail, inverse relation, head), so one direction is enough
    [Lacroix et al., ICML 2018]. Relations are the codes of the event column ``relation``.

    Raises:
        DataError: a relation occurs outside training only.
    """

    from_history: ClassVar[bool] = False
    config: TripleConfig

    def __init__(self, config: TripleConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        check_relations_seen(context.events, context.tables, context.where)
        width = config.own_width or context.d_model
        self.scoring = triple_scoring(config.scoring, width)
        # Products of three free vectors begin near zero, distances where vectors differ.
        std = 0.5 if self.scoring.is_distance else 0.05
        self.own = OwnVectors(context.events.n_items, width, std) if config.own_width else None
        self.reads_together = self.own is not None
        self.relation = nn.Embedding(count_relations(context.events), width)
        if self.own is None:
            # Around 1, a product with the head starts as the head; for a translation that is a small common shift.
            nn.init.normal_(self.relation.weight, mean=1.0, std=0.1)
        else:
            nn.init.normal_(self.relation.weight, std=std)
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        # Products of free vectors take their scale from these; distances need one to be told apart by.
        unscaled = self.own is not None and not self.scoring.is_distance
        start = torch.tensor(0.0 if unscaled else -0.5 * math.log(width))
        self.log_scale = nn.Parameter(start, requires_grad=self.scoring.is_distance)

    @property
    def scale(self) -> Tensor:
        """Factor of the scores: ``1 / sqrt(d)`` for products of normalized vectors, learned for distances."""
        return self.log_scale.exp()

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        if self.own is not None:  # nothing but a router reads it
            return catalogue.take(windows.user_B).unsqueeze(1)
        return self._query(windows, catalogue)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        entities = catalogue
        if self.own is not None:
            entities, h_BTd = self.own, self._query(windows, self.own)
        if entities.whole and entities.n_items <= self.config.full_softmax_entities:
            tail_BTd = entities.take(windows.item_BT)
            positive_BT = self.scoring.paired(h_BTd, tail_BTd) * self.scale
            loss_BT = self.ranking_loss(
                positive_BT, self._scores(h_BTd, entities.all()), windows, includes_positive=True
            )
            return loss_BT + self._regularization(windows, entities, tail_BTd)
        count = n_candidates(self.config.candidates, windows.item_BT, entities)
        item_C = torch.randint(entities.n_items, (count,), device=h_BTd.device)
        # Tails and candidates in one request: each request of a large catalogue has a gradient of its whole size.
        x_Rd = entities.take(torch.cat([windows.item_BT.flatten(), item_C]))
        tail_BTd = x_Rd[:-count].view_as(h_BTd)
        positive_BT = self.scoring.paired(h_BTd, tail_BTd) * self.scale
        # The candidates stand for the whole catalogue, as in a sampled softmax with uniform q.
        correction = math.log(count / entities.n_items)
        candidates_BTC = self._scores(h_BTd, x_Rd[-count:]) - correction
        candidates_BTC = candidates_BTC.masked_fill(item_C == windows.item_BT.unsqueeze(-1), -math.inf)
        loss_BT = self.ranking_loss(positive_BT, candidates_BTC, windows, includes_positive=False)
        return loss_BT + self._regularization(windows, entities, tail_BTd)

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        return self.scoring.scores(h_Bd, x_Nd) * self.scale

    def joint_scores(self, windows: Windows, items_N: Tensor) -> Tensor:
        assert self.own is not None
        return self.scoring.scores(self._query(windows, self.own)[:, 0], self.own.take(items_N)) * self.scale

    def _query(self, windows: Windows, entities: Catalogue) -> Tensor:
        head_B1d = entities.take(windows.user_B).unsqueeze(1)
        return self.scoring.tail_query(head_B1d, lookup(self.relation.weight, windows.columns[RELATION]))

    def _scores(self, h_BTd: Tensor, x_Cd: Tensor) -> Tensor:
        scores_MC = self.scoring.scores(h_BTd.flatten(0, 1), x_Cd) * self.scale
        return scores_MC.view(*h_BTd.shape[:2], -1)

    def _regularization(self, windows: Windows, entities: Catalogue, tail_BTd: Tensor) -> Tensor:
        if self.config.regularization == "none":
            return tail_BTd.new_zeros(())
        head_B1d = entities.take(windows.user_B).unsqueeze(1)
        parts = (head_B1d, lookup(self.relation.weight, windows.columns[RELATION]), tail_BTd)
        if self.config.regularization == "n3":
            sizes = [cubed_moduli(self.scoring, part) for part in parts]
        else:
            sizes = [part.square().sum(-1) for part in parts]
        return self.config.regularization_weight * torch.stack(sizes).sum(0)
