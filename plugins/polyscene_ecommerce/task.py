"""Purchase: the next item, with a first purchase and a repeated one as separate targets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene import (
    Catalogue,
    Component,
    DataError,
    Events,
    Phase,
    PopularityBias,
    RankingConfig,
    RankingTask,
    TaskContext,
    Windows,
)

NEW_VIEW = "new"


@dataclass
class PurchaseConfig(RankingConfig):
    """Options of the purchase task, beside those of ranking.

    Args:
        column: event column that says whether the household had bought the item before (1) or not (0).
        kind_weight: share of the loss that predicts which kind the next purchase is.
    """

    loss: str = "class_weighted"
    popularity_half_life_days: float = 80.0
    first_scale: float = 0.1
    column: str = "repeat"
    kind_weight: float = 0.1


class PurchaseTask(RankingTask):
    """Ranking with a query and a popularity bias for each kind of purchase.

    A state h becomes the query ``q_k = h * (1 + a_k) + c_k`` of kind k (0 = new, 1 = repeat), and an item's bias
    is its popularity among new or among repeated purchases. The view ``new`` asks with ``q_0``. Any other view
    asks for both: with ``p`` the predicted chance of a repeat the score is ``(1 - p) s_0 + p s_1``, which orders
    items as the logarithmic opinion pool of both rankings does [Genest and Zidek, 1986], because the kinds'
    normalizers do not depend on the item.

    Args:
        config: see :class:`PurchaseConfig`.
        context: see :class:`polyscene.TaskContext`.

    Raises:
        DataError: the events lack the column of kinds.
    """

    def __init__(self, config: PurchaseConfig, context: TaskContext) -> None:
        if config.column not in context.events.columns:
            raise DataError(
                f"the purchase task needs the event column '{config.column}', 1 for items bought before",
                where=context.where,
                fix="declare it in event_columns and fill it in the interactions, or choose the task 'ranking'",
            )
        super().__init__(replace(config, popularity_bias=False), context)
        self.column, self.kind_weight = config.column, config.kind_weight
        self.query_scale_Kd = nn.Parameter(torch.zeros(2, context.d_model))
        self.query_shift_Kd = nn.Parameter(torch.zeros(2, context.d_model))
        self.popularity_of_kind = nn.ModuleList(
            PopularityBias(
                context.events,
                half_life_days=config.popularity_half_life_days,
                keep=partial(_is_kind, config.column, kind),
                enabled=config.popularity_bias,
            )
            for kind in (0, 1)
        )
        self.kind = nn.Linear(context.d_model, 1)

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        known = list(phases)
        super().observe(events, known)
        for bias in self._biases():
            bias.observe(events, known)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        repeat_BT = (windows.columns[self.column] > 0).long()
        queries_BTe = self._queries(h_BTd, nn.functional.one_hot(repeat_BT, 2).to(h_BTd.dtype))
        loss_BT = super().loss(queries_BTe, windows, _KindCatalogue(catalogue, self))
        kind_BT = functional.binary_cross_entropy_with_logits(
            self.kind(h_BTd).squeeze(-1), repeat_BT.to(h_BTd.dtype), reduction="none"
        )
        return loss_BT + self.kind_weight * kind_BT

    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        repeat_B1 = torch.sigmoid(self.kind(h_Bd)) if view != NEW_VIEW else torch.zeros_like(h_Bd[:, :1])
        queries_Be = self._queries(h_Bd, torch.cat([1 - repeat_B1, repeat_B1], dim=-1))
        return super().queries(queries_Be, view)

    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        return super().keys(self._extended(x_Nd, items_N), items_N)

    def _queries(self, h: Tensor, share_K: Tensor) -> Tensor:
        """Queries ``[..., d + 2]`` of a mixture ``[..., 2]`` of kinds; the mixture meets the items' biases."""
        query = h + h * (share_K @ self.query_scale_Kd) + share_K @ self.query_shift_Kd
        # Divided by the scale, so that the product with an item's bias is the bias itself.
        return torch.cat([query, share_K / self.scale], dim=-1)

    def _extended(self, x: Tensor, items: Tensor, hidden_N: Tensor | None = None) -> Tensor:
        """Item vectors ``[..., d + 2]`` with the biases of both kinds as further entries."""
        return torch.cat([x, *(bias(items, hidden_N).unsqueeze(-1).to(x) for bias in self._biases())], dim=-1)

    def _biases(self) -> list[PopularityBias]:
        return [bias for bias in self.popularity_of_kind if isinstance(bias, PopularityBias)]


class _KindCatalogue(Catalogue):
    """Item vectors with the kind bias as one more entry, so that ranking needs no second pass for it."""

    def __init__(self, catalogue: Catalogue, task: PurchaseTask) -> None:
        self.catalogue, self.task = catalogue, task
        self.n_items, self.whole, self.hidden_N = catalogue.n_items, catalogue.whole, catalogue.hidden_N

    def all(self) -> Tensor:
        return self.task._extended(
            self.catalogue.all(),
            torch.arange(self.n_items, device=self.task.kind.weight.device),
            self.hidden_N,
        )

    def take(self, items: Tensor) -> Tensor:
        return self.task._extended(self.catalogue.take(items), items, self.hidden_N)


def _is_kind(column: str, kind: int, events: Events, row_R: Tensor) -> Tensor:
    return (events.columns[column][row_R] > 0) == bool(kind)


COMPONENTS = [Component("task", "purchase", PurchaseTask, PurchaseConfig)]
