"""Click: will the user act on a shown item?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.config.validate import bounded
from polyscene.data.phases import Phase
from polyscene.tasks.past import SampledPast
from polyscene.tasks.task import PairTask, TaskContext


@dataclass
class ClickConfig:
    """Options of the click task.

    Args:
        threshold: a row is a positive when its value is above this.
        balanced: weigh classes so that positives and negatives count the same in total.
        focal_gamma: focusing exponent of the focal loss, 0 for plain cross-entropy [Lin et al., ICCV 2017].
        head: ``bilinear`` compares state and item; ``mlp`` adds a network over both, which can be adapted.
        history: how the user's past is read: as a ``sequence`` by the run's sequence model; as a ``sample`` of
            other rows by the task itself, for rows without an order; or not at all (``none``), so that a row is
            judged by the columns of user and item alone.
        sample: rows of a sample.
        hidden: width of the network's hidden layer.
        dropout: share of the network's units that are left out in training.
    """

    threshold: float = 0.5
    balanced: bool = False
    focal_gamma: float = 0.0
    head: Literal["bilinear", "mlp"] = "bilinear"
    history: Literal["sequence", "sample", "none"] = "sequence"
    sample: int = bounded(48, at_least=1)
    hidden: int = bounded(64, at_least=1)
    dropout: float = bounded(0.1, at_least=0, at_most=1)


class ClickTask(PairTask):
    """Binary cross-entropy on ``logit = <h, W x> / sqrt(d) + b_i + b`` with class weights and focusing.

    The head ``mlp`` adds ``MLP(Adapt(F [h; x; h * x]))``, as click models with a shared bottom do: one network for
    all scenarios, in which the scenario's adapter of pairs stands.
    """

    config: ClickConfig

    def __init__(self, config: ClickConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        events, d_model = context.events, context.d_model
        _, row = events.rows([Phase.TRAIN])
        positive_R = (events.value_R[torch.from_numpy(row).to(events.value_R.device)] > config.threshold).double()
        # Laplace's rule keeps the logit finite when training has one class only.
        rate = float((positive_R.sum() + 1) / (len(row) + 2))
        self.reads_past, self.adapts_pairs = config.history == "sequence", config.head == "mlp"
        self.register_buffer("class_weight", torch.tensor([0.5 / (1 - rate), 0.5 / rate]))
        self.class_weight: Tensor
        self.scale = 1 / math.sqrt(d_model)
        self.bilinear = nn.Linear(d_model, d_model, bias=False)
        nn.init.eye_(self.bilinear.weight)
        self.bias = nn.Parameter(torch.tensor(math.log(rate / (1 - rate))))
        self.bias_N = nn.Parameter(torch.zeros(events.n_items))
        if config.history == "sample":
            self.past = SampledPast(events, self.labels(events.value_R), d_model, config.sample)
        if self.adapts_pairs:
            self.fuse = nn.Linear(3 * d_model, d_model)
            self.judge = nn.Sequential(
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(d_model, config.hidden),
                nn.GELU(),
                nn.Dropout(config.dropout),
                nn.Linear(config.hidden, 1, bias=False),
            )

    def recall(self, user_B: Tensor, item_B: Tensor | None) -> Tensor | None:
        return self.past(user_B, item_B) if self.config.history == "sample" else None

    def pairs(self, h: Tensor, x: Tensor) -> Tensor | None:
        return self.fuse(torch.cat([h, x, h * x], dim=-1)) if self.adapts_pairs else None

    def logits(self, h: Tensor, x: Tensor, item: Tensor, pair: Tensor | None = None) -> Tensor:
        logit = (self.bilinear(h) * x).sum(dim=-1) * self.scale + self.bias_N[item] + self.bias
        return logit if pair is None else logit + self.judge(pair).squeeze(-1)

    def pair_loss(self, logit: Tensor, value: Tensor) -> Tensor:
        label = self.labels(value).to(logit.dtype)
        loss = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
        if self.config.focal_gamma:
            # exp(-loss) is the probability given to the true class.
            loss = loss * (1 - torch.exp(-loss)) ** self.config.focal_gamma
        if self.config.balanced:
            loss = loss * self.class_weight[label.long()]
        return loss

    def labels(self, value: Tensor) -> Tensor:
        return value > self.config.threshold

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        """The bilinear part, all pairs at once: what there is to rank by without an adapter of pairs."""
        return self.bilinear(h_Bd) @ x_Nd.T * self.scale + self.bias_N[items_N] + self.bias
