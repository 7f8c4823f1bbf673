"""Click: will the user act on a shown item?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.dropout import Dropout
from polyscene.tasks.judging import JudgingConfig, JudgingTask
from polyscene.tasks.past import SampledPast
from polyscene.tasks.products import ProductTask
from polyscene.tasks.task import TaskContext


@dataclass
class ClickConfig(JudgingConfig):
    """Options of the click task, beside those of all tasks that judge pairs.

    Args:
        head: ``bilinear`` compares state and item; ``mlp`` adds a network over both, which can be adapted.
        history: how the user's past is read: as a ``sequence`` by the run's sequence model; as a ``sample`` of
            other rows by the task itself, for rows without an order; or not at all (``none``), so that a row is
            judged by the columns of user and item alone.
        sample: rows of a sample.
        hidden: width of the network's hidden layer.
        dropout: share of the network's units that are left out in training.
        activation: of the network's units. ``relu`` costs a third of ``gelu`` on a CPU.
    """

    head: Literal["bilinear", "mlp"] = "bilinear"
    history: Literal["sequence", "sample", "none"] = "sequence"
    sample: int = bounded(48, at_least=1)
    hidden: int = bounded(64, at_least=1)
    dropout: float = bounded(0.1, at_least=0, at_most=1)
    activation: Literal["gelu", "relu"] = "gelu"


_ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class ClickTask(ProductTask, JudgingTask):
    """Binary cross-entropy on ``logit = <h, W x> / sqrt(d) + b_i + b`` with class weights and focusing.

    The head ``mlp`` adds ``MLP(Adapt(F [h; x; h * x]))``, as click models with a shared bottom do: one network for
    all scenarios, in which the scenario's adapter of pairs stands; queries and keys are then the first part alone.
    """

    config: ClickConfig

    def __init__(self, config: ClickConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        events, d_model = context.events, context.d_model
        self.reads_past, self.adapts_pairs = config.history == "sequence", config.head == "mlp"
        self.scale = 1 / math.sqrt(d_model)
        self.bilinear = nn.Linear(d_model, d_model, bias=False)
        nn.init.eye_(self.bilinear.weight)
        self.bias = nn.Parameter(torch.tensor(self.first_bias))
        self.bias_N = nn.Parameter(torch.zeros(events.n_items))
        if config.history == "sample":
            self.past = SampledPast(events, self.labels(events.value_R), d_model, config.sample)
        if self.adapts_pairs:
            self.fuse = nn.Linear(3 * d_model, d_model)
            activation = _ACTIVATIONS[config.activation]
            self.judge = nn.Sequential(
                activation(),
                Dropout(config.dropout),
                nn.Linear(d_model, config.hidden),
                activation(),
                Dropout(config.dropout),
                nn.Linear(config.hidden, 1, bias=False),
            )

    def receive(self, n_items: int) -> None:
        self.bias_N = nn.Parameter(nn.functional.pad(self.bias_N.detach(), (0, n_items - len(self.bias_N))))

    def recall(self, user_B: Tensor, item_B: Tensor | None) -> Tensor | None:
        return self.past(user_B, item_B) if self.config.history == "sample" else None

    def pairs(self, h: Tensor, x: Tensor) -> Tensor | None:
        return self.fuse(torch.cat([h, x, h * x], dim=-1)) if self.adapts_pairs else None

    def logits(self, h: Tensor, x: Tensor, item: Tensor, pair: Tensor | None = None) -> Tensor:
        logit = (self.bilinear(h) * x).sum(dim=-1) * self.scale + self.bias_N[item] + self.bias
        return logit if pair is None else logit + self.judge(pair).squeeze(-1)

    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        return self.scale * self.bilinear(h_Bd)

    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        return x_Nd, self.bias_N[items_N] + self.bias
