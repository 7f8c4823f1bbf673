"""Ranking: the next item of the history against the catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.config.validate import from_mapping_or_raise
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.tasks.losses import RankingLoss
from polyscene.tasks.task import Catalogue, Task, TaskContext

_SECONDS_PER_DAY = 86_400.0


@dataclass
class RankingConfig:
    """Options of the ranking task.

    Args:
        loss: the loss component (softmax, bpr, or a plugin's).
        loss_options: options of that loss.
        full_softmax_items: catalogues up to this size are compared whole; larger ones by sampled candidates.
        candidates: number of sampled candidates per step for larger catalogues. With trained backbone layers
            (``backbone.tune=suffix``) any catalogue is sampled, by at most one candidate per step of the batch.
        popularity_bias: whether each item has a bias, started at its log share of training rows.
        popularity_half_life_days: if positive, training rows count half as much for each such span before the
            last training row when the bias is started.
    """

    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    full_softmax_items: int = 5_000
    candidates: int = 2048
    popularity_bias: bool = True
    popularity_half_life_days: float = 0.0


class RankingTask(Task):
    """Scores ``s(u, i) = <h_u, x_i> / sqrt(d) + b_i`` and a ranking loss on the next item.

    Args:
        config: see :class:`RankingConfig`.
        context: see :class:`TaskContext`.
    """

    config: RankingConfig

    def __init__(self, config: RankingConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        self.scale = 1 / math.sqrt(context.d_model)
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        share_N = item_share(context.events, config.popularity_half_life_days)
        start_N = share_N.log() - share_N.log().mean() if config.popularity_bias else torch.zeros_like(share_N)
        self.bias_N = nn.Parameter(start_N, requires_grad=config.popularity_bias)
        # Candidates come half from popularity and half from the whole catalogue, so that each has q > 0.
        self.register_buffer("sampling_N", 0.5 * share_N + 0.5 / len(share_N), persistent=False)
        self.sampling_N: Tensor

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        target_BT = windows.item_BT
        positive_BT = (h_BTd * catalogue.take(target_BT)).sum(dim=-1) * self.scale + self.bias_N[target_BT]
        if catalogue.whole and catalogue.n_items <= self.config.full_softmax_items:
            candidates_BTC = functional.linear(h_BTd, self.scale * catalogue.all(), self.bias_N)
            return self.ranking_loss(positive_BT, candidates_BTC, windows, includes_positive=True)
        count = n_candidates(self.config.candidates, target_BT, catalogue)
        item_C = torch.multinomial(self.sampling_N, count, replacement=True)
        log_q_C = torch.log(self.sampling_N[item_C] * count)
        candidates_BTC = functional.linear(
            h_BTd, self.scale * catalogue.take(item_C), self.bias_N[item_C] - log_q_C
        )
        candidates_BTC = candidates_BTC.masked_fill(item_C == target_BT.unsqueeze(-1), -math.inf)
        return self.ranking_loss(positive_BT, candidates_BTC, windows, includes_positive=False)

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        return h_Bd @ (self.scale * x_Nd).T + self.bias_N[items_N]


def n_candidates(candidates: int, target_BT: Tensor, catalogue: Catalogue) -> int:
    """Number of sampled candidates: where items are costly, no more than the batch has steps."""
    return candidates if catalogue.whole else min(candidates, target_BT.numel())


def build_loss(name: str, options: Mapping[str, Any], context: TaskContext) -> RankingLoss:
    """The loss component that a task's config names."""
    component = context.registry.get("loss", name, where=f"{context.where}: loss")
    return component.build(
        from_mapping_or_raise(component.config, options, where=f"{context.where}: loss_options")
    )


def item_share(events: Events, half_life_days: float = 0.0) -> Tensor:
    """Smoothed share ``[N]`` of each item in training rows, older rows weighing less; sums to 1."""
    _, row = events.rows([Phase.TRAIN])
    rows = torch.from_numpy(row).to(events.item_R.device)
    weight_R = torch.ones(len(rows), dtype=torch.float64, device=rows.device)
    if half_life_days > 0 and len(rows):
        time_R = events.time_R[rows]
        weight_R = 0.5 ** ((time_R.max() - time_R).double() / (_SECONDS_PER_DAY * half_life_days))
    count_N = torch.zeros(events.n_items, dtype=torch.float64, device=rows.device)
    count_N.index_add_(0, events.item_R[rows].long(), weight_R)
    # One imagined row for each item keeps the log finite for items that training never saw.
    return ((count_N + 1) / (count_N + 1).sum()).float()
