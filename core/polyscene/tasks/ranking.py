"""Ranking: the next item of the history against the catalogue."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
from polyscene.tasks.popularity import PopularityBias, held_items
from polyscene.tasks.products import ProductTask
from polyscene.tasks.task import Catalogue, TaskContext


@dataclass
class RankingConfig:
    """Options of the ranking task.

    Args:
        loss: the loss component (softmax, bpr, or a plugin's).
        loss_options: options of that loss.
        full_softmax_items: catalogues up to this size are compared whole; larger ones by sampled candidates.
        candidates: number of sampled candidates per step for larger catalogues. With trained backbone layers
            (``backbone.tune=suffix``) any catalogue is sampled, by at most one candidate per step of the batch.
        popularity_bias: whether each item has a bias, its log share of known rows times a learned weight.
        popularity_half_life_days: if positive, rows count half as much for each such span before the last one.
        first_scale: the factor of the inner product at the start; small values let popularity lead for longer.
    """

    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    full_softmax_items: int = 5_000
    candidates: int = 2048
    popularity_bias: bool = True
    popularity_half_life_days: float = 0.0
    first_scale: float = 0.25


class RankingTask(ProductTask):
    """Scores ``s(u, i) = c <h_u, x_i> / sqrt(d) + b_i`` and a ranking loss on the next item.

    The learned c starts small, so that the scores begin at the popularity b_i and not at noise.

    Args:
        config: see :class:`RankingConfig`.
        context: see :class:`TaskContext`.
    """

    config: RankingConfig

    def __init__(self, config: RankingConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        self.sqrt_d = math.sqrt(context.d_model)
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.first_scale)))
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        self.popularity = PopularityBias(
            context.events,
            half_life_days=config.popularity_half_life_days,
            enabled=config.popularity_bias,
        )
        self.register_buffer("lift", torch.zeros(()))  # of new items, found when training is over
        self.lift: Tensor
        # What no training row holds can never be right, and as a candidate it would only teach that the unknown is
        # bad. The others come half from popularity and half evenly, so that each has q > 0.
        # Of a few labels the opposite is true: what they do not hold is nearly everything that could be right.
        few = context.events.labelled_R is not None
        trained_N = ~context.events.cold_N if few else held_items(context.events, [Phase.TRAIN])
        self.register_buffer("sampling_N", self._sampling(trained_N), persistent=False)
        self.register_buffer("trained_N", trained_N, persistent=False)
        self.sampling_N: Tensor
        self.trained_N: Tensor

    @property
    def scale(self) -> Tensor:
        """Factor of the inner product, ``c / sqrt(d)``."""
        return self.log_scale.exp() / self.sqrt_d

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        self.popularity.observe(events, phases)

    def receive(self, n_items: int) -> None:
        more = n_items - len(self.trained_N)
        self.trained_N = functional.pad(self.trained_N, (0, more))
        self.sampling_N = functional.pad(self.sampling_N, (0, more))

    def admit(self, items: Tensor) -> None:
        self.trained_N = self.trained_N.index_fill(0, items.to(self.trained_N.device), value=True)
        self.sampling_N = self._sampling(self.trained_N)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        target_BT, h_BTd, bias_N = windows.item_BT, self.scale * h_BTd, self.popularity.all(catalogue.hidden_N)
        positive_BT = (h_BTd * catalogue.take(target_BT)).sum(dim=-1) + bias_N[target_BT]
        if catalogue.whole and catalogue.n_items <= self.config.full_softmax_items:
            bias_N = bias_N.masked_fill(~self.trained_N, -math.inf)
            candidates_BTC = functional.linear(h_BTd, catalogue.all(), bias_N)
            return self.ranking_loss(positive_BT, candidates_BTC, windows, includes_positive=True)
        count = n_candidates(self.config.candidates, target_BT, catalogue)
        item_C = catalogue.draw(self.sampling_N, count)
        log_q_C = torch.log(self.sampling_N[item_C] * count)
        candidates_BTC = functional.linear(h_BTd, catalogue.take(item_C), bias_N[item_C] - log_q_C)
        candidates_BTC = candidates_BTC.masked_fill(item_C == target_BT.unsqueeze(-1), -math.inf)
        return self.ranking_loss(positive_BT, candidates_BTC, windows, includes_positive=False)

    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        return self.scale * h_Bd

    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        new_N = self.popularity.unseen_N[items_N]
        return x_Nd, self.popularity(items_N) + self.lift * new_N

    def _sampling(self, trained_N: Tensor) -> Tensor:
        """The probability ``[N]`` of each item to be drawn as a candidate."""
        share_N = self.popularity.share_N * trained_N
        even_N = trained_N / trained_N.sum().clamp(min=1)
        return 0.5 * share_N / share_N.sum() + 0.5 * even_N


def n_candidates(candidates: int, target_BT: Tensor, catalogue: Catalogue) -> int:
    """Number of sampled candidates: where items are costly, no more than the batch has steps."""
    return candidates if catalogue.whole else min(candidates, target_BT.numel())


def build_loss(name: str, options: Mapping[str, Any], context: TaskContext) -> RankingLoss:
    """The loss component that a task's config names."""
    component = context.registry.get("loss", name, where=f"{context.where}: loss")
    return component.build(
        from_mapping_or_raise(component.config, options, where=f"{context.where}: loss_options")
    )
