"""Purchase: the next item, with a first purchase and a repeated one as separate targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene import (
    Catalogue,
    Component,
    DataError,
    Events,
    Phase,
    RankingConfig,
    RankingTask,
    TaskContext,
    Windows,
)

NEW_VIEW = "new"
_SECONDS_PER_DAY = 86_400.0


@dataclass
class PurchaseConfig(RankingConfig):
    """Options of the purchase task, beside those of ranking.

    Args:
        column: event column that says whether the household had bought the item before (1) or not (0).
        kind_weight: share of the loss that predicts which kind the next purchase is.
    """

    loss: str = "class_weighted"
    column: str = "repeat"
    kind_weight: float = 0.1


class PurchaseTask(RankingTask):
    """Ranking with a query and an item bias for each kind of purchase.

    A state h becomes the query ``q_k = h * (1 + a_k) + c_k`` of kind k (0 = new, 1 = repeat), and an item's bias
    is ``b_i`` plus or minus ``e_i``, started at the item's share of new and of repeated train purchases. The
    view ``new`` asks with ``q_0``. Any other view asks for both: with ``p`` the predicted chance of a repeat the
    score is ``(1 - p) s_0 + p s_1``, which orders items as the logarithmic opinion pool of both rankings does
    [Genest and Zidek, 1986], because the kinds' normalizers do not depend on the item.

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
        super().__init__(config, context)
        self.column, self.kind_weight = config.column, config.kind_weight
        self.query_scale_Kd = nn.Parameter(torch.zeros(2, context.d_model))
        self.query_shift_Kd = nn.Parameter(torch.zeros(2, context.d_model))
        self.kind_bias_N = nn.Parameter(torch.zeros_like(self.bias_N), requires_grad=config.popularity_bias)
        if config.popularity_bias:
            new_N, repeat_N = _log_share_by_kind(context.events, config.column, config.popularity_half_life_days)
            with torch.no_grad():
                mean_N = (new_N + repeat_N) / 2
                self.bias_N.copy_(mean_N - mean_N.mean())
                self.kind_bias_N.copy_((repeat_N - new_N) / 2)
        self.kind = nn.Linear(context.d_model, 1)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        repeat_BT = (windows.columns[self.column] > 0).long()
        loss_BT = super().loss(self._queries(h_BTd, repeat_BT), windows, self._with_kind_bias(catalogue))
        kind_BT = functional.binary_cross_entropy_with_logits(
            self.kind(h_BTd).squeeze(-1), repeat_BT.to(h_BTd.dtype), reduction="none"
        )
        return loss_BT + self.kind_weight * kind_BT

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        kind_B = torch.zeros(len(h_Bd), dtype=torch.long, device=h_Bd.device)
        query_Be = self._queries(h_Bd, kind_B)
        if view != NEW_VIEW:
            query_Be = torch.lerp(query_Be, self._queries(h_Bd, kind_B + 1), torch.sigmoid(self.kind(h_Bd)))
        return super().scores(query_Be, self._extended(x_Nd, self.kind_bias_N[items_N]), items_N, view)

    def _queries(self, h: Tensor, kind: Tensor) -> Tensor:
        """Queries ``[..., d + 1]``; the last entry is -1 or +1 and meets the item's kind bias."""
        query = h + h * self.query_scale_Kd[kind] + self.query_shift_Kd[kind]
        return torch.cat([query, (2 * kind - 1).unsqueeze(-1).to(query)], dim=-1)

    def _with_kind_bias(self, catalogue: Catalogue) -> Catalogue:
        return _KindCatalogue(catalogue, self)

    def _extended(self, x: Tensor, kind_bias: Tensor) -> Tensor:
        # Divided by the scale, so that the product with the query's sign is the bias itself.
        return torch.cat([x, (kind_bias / self.scale).unsqueeze(-1).to(x)], dim=-1)


class _KindCatalogue(Catalogue):
    """Item vectors with the kind bias as one more entry, so that ranking needs no second pass for it."""

    def __init__(self, catalogue: Catalogue, task: PurchaseTask) -> None:
        self.catalogue, self.task = catalogue, task
        self.n_items, self.whole = catalogue.n_items, catalogue.whole

    def all(self) -> Tensor:
        return self.task._extended(self.catalogue.all(), self.task.kind_bias_N)

    def take(self, items: Tensor) -> Tensor:
        return self.task._extended(self.catalogue.take(items), self.task.kind_bias_N[items])


def _log_share_by_kind(events: Events, column: str, half_life_days: float) -> Tensor:
    """Log of the smoothed share ``[2, N]`` of each item among new and among repeated train purchases.

    With a half-life, a purchase counts half as much for each such span before the last one.
    """
    _, row = events.rows([Phase.TRAIN])
    rows = torch.from_numpy(row).to(events.item_R.device)
    time_R = events.time_R[rows].double()
    age_R = (time_R.max() - time_R) / _SECONDS_PER_DAY if half_life_days > 0 else torch.zeros_like(time_R)
    weight_R = 0.5 ** (age_R / (half_life_days or 1.0))
    kind_R = (events.columns[column][rows] > 0).long()
    cell_R = kind_R * events.n_items + events.item_R[rows].long()
    count_KN = torch.bincount(cell_R, weight_R, minlength=2 * events.n_items).view(2, events.n_items) + 1
    return (count_KN / count_KN.sum(dim=1, keepdim=True)).log().float()


COMPONENTS = [Component("task", "purchase", PurchaseTask, PurchaseConfig)]
