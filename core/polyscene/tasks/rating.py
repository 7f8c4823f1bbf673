"""Rating: how much a user likes an item, in the units of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.tasks.products import ProductTask
from polyscene.tasks.task import Catalogue, TaskContext


@dataclass
class RatingConfig:
    """Options of the rating task.

    Args:
        loss: ``mse``, ``mae`` or ``huber`` on standardized ratings.
    """

    loss: Literal["mse", "mae", "huber"] = "mse"


class RatingTask(ProductTask):
    """Predicts ``mean + std * (h^T W x / sqrt(d) + b_i)``: a bilinear form beside the ranking's dot product."""

    ranks: ClassVar[bool] = False
    compares_all: ClassVar[bool] = False
    shareable: ClassVar[bool] = True
    config: RatingConfig

    def __init__(self, config: RatingConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        events, d_model = context.events, context.d_model
        _, row = events.rows([Phase.TRAIN])
        value_R = events.value_R[torch.from_numpy(row).to(events.value_R.device)].double()
        self.register_buffer("mean", value_R.mean().float() if len(row) else torch.zeros(()))
        self.register_buffer("std", value_R.std().float().clamp(min=1e-3) if len(row) > 1 else torch.ones(()))
        self.mean: Tensor
        self.std: Tensor
        self.scale = 1 / math.sqrt(d_model)
        self.bilinear = nn.Linear(d_model, d_model, bias=False)
        nn.init.zeros_(self.bilinear.weight)
        self.bias_N = nn.Parameter(torch.zeros(events.n_items))

    def receive(self, n_items: int) -> None:
        self.bias_N = nn.Parameter(functional.pad(self.bias_N.detach(), (0, n_items - len(self.bias_N))))

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        predicted_BT = self._standardized(h_BTd, catalogue.take(windows.item_BT), self.bias_N[windows.item_BT])
        target_BT = (windows.value_BT - self.mean) / self.std
        losses = {"mse": functional.mse_loss, "mae": functional.l1_loss, "huber": functional.huber_loss}
        return losses[self.config.loss](predicted_BT, target_BT, reduction="none")

    def predict(self, h_Bd: Tensor, x_Bd: Tensor, item_B: Tensor) -> Tensor:
        """Ratings ``[B]`` of given pairs, in the units of the data."""
        return self.mean + self.std * self._standardized(h_Bd, x_Bd, self.bias_N[item_B])

    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        return self.std * self.scale * self.bilinear(h_Bd)

    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        return x_Nd, self.mean + self.std * self.bias_N[items_N]

    def _standardized(self, h: Tensor, x: Tensor, bias: Tensor) -> Tensor:
        return (self.bilinear(h) * x).sum(dim=-1) * self.scale + bias
