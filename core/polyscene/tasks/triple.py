"""Triple: which entity completes (head, relation, ?)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from polyscene.data.windows import Windows
from polyscene.tasks.losses import SoftmaxLoss
from polyscene.tasks.task import Catalogue, Task, TaskContext


@dataclass
class TripleConfig:
    """Options of the triple task.

    Args:
        scoring: ``distmult`` [Yang et al., ICLR 2015], ``complex`` [Trouillon et al., ICML 2016] or
            ``transe`` with squared distance [Bordes et al., NeurIPS 2013].
        full_softmax_entities: entity sets up to this size are compared whole, larger ones by uniform candidates.
        candidates: number of those candidates.
    """

    scoring: Literal["distmult", "complex", "transe"] = "distmult"
    full_softmax_entities: int = 5_000
    candidates: int = 2048


class TripleTask(Task):
    """Scores a triple through a query made of head and relation, and ranks all tails by softmax.

    Every fact is two rows, (head, relation, tail) and (tail, inverse relation, head), so one direction is enough
    [Lacroix et al., ICML 2018].
    """

    from_history: ClassVar[bool] = False
    config: TripleConfig

    def __init__(self, config: TripleConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        relation_R = context.events.columns["relation"]
        n_relations = int(relation_R.max()) + 1 if len(relation_R) else 1
        self.relation = nn.Embedding(n_relations, context.d_model)
        # The query begins as the head's own vector: relations start neutral for each scoring function.
        _start_neutral(self.relation.weight, config.scoring)
        self.scale = 1 / math.sqrt(context.d_model)
        self.softmax = SoftmaxLoss(None)

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        head_B1d = catalogue.take(windows.user_B).unsqueeze(1)
        relation_BTd = self.relation(windows.columns["relation"].long())
        if self.config.scoring == "transe":
            return head_B1d + relation_BTd
        if self.config.scoring == "complex":
            return _complex_product(head_B1d, relation_BTd)
        return head_B1d * relation_BTd

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        positive_BT = self._similarity(h_BTd, catalogue.take(windows.item_BT).unsqueeze(-2)).squeeze(-1)
        if catalogue.n_items <= self.config.full_softmax_entities:
            candidates_BTC = self._similarity(h_BTd, catalogue.all())
            return self.softmax(positive_BT, candidates_BTC, windows, includes_positive=True)
        item_C = torch.randint(catalogue.n_items, (self.config.candidates,), device=h_BTd.device)
        log_ratio = math.log(self.config.candidates / catalogue.n_items)
        candidates_BTC = self._similarity(h_BTd, catalogue.take(item_C)) - log_ratio
        candidates_BTC = candidates_BTC.masked_fill(item_C == windows.item_BT.unsqueeze(-1), -math.inf)
        return self.softmax(positive_BT, candidates_BTC, windows, includes_positive=False)

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        return self._similarity(h_Bd, x_Nd)

    def _similarity(self, h: Tensor, x: Tensor) -> Tensor:
        product = h @ x.transpose(-1, -2)
        if self.config.scoring == "transe":
            # -|h - x|^2 without the term of h, which is the same for every tail.
            product = 2 * product - x.square().sum(dim=-1).unsqueeze(-2)
        return product * self.scale


def _start_neutral(weight: Tensor, scoring: str) -> None:
    with torch.no_grad():
        weight.normal_(std=0.1)
        if scoring == "distmult":
            weight += 1
        if scoring == "complex":
            weight[:, : weight.shape[1] // 2] += 1


def _complex_product(a: Tensor, b: Tensor) -> Tensor:
    """Product of complex vectors kept as ``[real, imaginary]`` halves of the last dimension."""
    a_real, a_imaginary = a.chunk(2, dim=-1)
    b_real, b_imaginary = b.chunk(2, dim=-1)
    real = a_real * b_real - a_imaginary * b_imaginary
    imaginary = a_real * b_imaginary + a_imaginary * b_real
    return torch.cat([real, imaginary], dim=-1)
