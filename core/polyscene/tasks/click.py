"""Click: will the user act on a shown item?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.tasks.task import Catalogue, Task, TaskContext


@dataclass
class ClickConfig:
    """Options of the click task.

    Args:
        threshold: a row is a positive when its value is above this.
        balanced: weigh classes so that positives and negatives count the same in total.
        focal_gamma: focusing exponent of the focal loss, 0 for plain cross-entropy [Lin et al., ICCV 2017].
    """

    threshold: float = 0.5
    balanced: bool = False
    focal_gamma: float = 0.0


class ClickTask(Task):
    """Binary cross-entropy on ``logit = <h, W x> / sqrt(d) + b_i + b`` with class weights and focusing."""

    config: ClickConfig

    def __init__(self, config: ClickConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        events, d_model = context.events, context.d_model
        _, row = events.rows([Phase.TRAIN])
        positive_R = (events.value_R[torch.from_numpy(row).to(events.value_R.device)] > config.threshold).double()
        # Laplace's rule keeps the logit finite when training has one class only.
        rate = float((positive_R.sum() + 1) / (len(row) + 2))
        self.register_buffer("class_weight", torch.tensor([0.5 / (1 - rate), 0.5 / rate]))
        self.class_weight: Tensor
        self.scale = 1 / math.sqrt(d_model)
        self.bilinear = nn.Linear(d_model, d_model, bias=False)
        nn.init.eye_(self.bilinear.weight)
        self.bias = nn.Parameter(torch.tensor(math.log(rate / (1 - rate))))
        self.bias_N = nn.Parameter(torch.zeros(events.n_items))

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        x_BTd = catalogue.take(windows.item_BT)
        logit_BT = self.logits(h_BTd, x_BTd, windows.item_BT)
        label_BT = (windows.value_BT > self.config.threshold).to(logit_BT.dtype)
        loss_BT = functional.binary_cross_entropy_with_logits(logit_BT, label_BT, reduction="none")
        if self.config.focal_gamma:
            # exp(-loss) is the probability given to the true class.
            loss_BT = loss_BT * (1 - torch.exp(-loss_BT)) ** self.config.focal_gamma
        if self.config.balanced:
            loss_BT = loss_BT * self.class_weight[label_BT.long()]
        return loss_BT

    def logits(self, h: Tensor, x: Tensor, item: Tensor) -> Tensor:
        """Logits ``[...]`` of pairs ``h, x`` (``[..., d]``) with item indices ``[...]``."""
        return (self.bilinear(h) * x).sum(dim=-1) * self.scale + self.bias_N[item] + self.bias

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        return self.bilinear(h_Bd) @ x_Nd.T * self.scale + self.bias_N[items_N] + self.bias
