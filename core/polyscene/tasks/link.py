"""Link: who is connected with whom; items are people or things of the same graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.tasks.popularity import PopularityBias
from polyscene.tasks.products import ProductTask
from polyscene.tasks.ranking import build_loss
from polyscene.tasks.task import Catalogue, TaskContext


@dataclass
class LinkConfig:
    """Options of the link task.

    Args:
        objective: ``infonce`` ranks the true neighbor above in-batch negatives; ``bce`` classifies pairs.
        loss: the ranking loss of ``infonce`` (softmax, or a plugin's).
        loss_options: options of that loss.
        negatives: number of in-batch negatives drawn per step.
        activity_bias: whether each node has a bias, its log share of known links times a learned weight.
    """

    objective: Literal["infonce", "bce"] = "infonce"
    loss: str = "softmax"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    negatives: int = 512
    activity_bias: bool = True


class LinkTask(ProductTask):
    """Scores ``<h_u, x_v> / sqrt(d) + b_v`` of a link, learned against other rows' neighbors.

    In-batch negatives come in proportion to their degree; ``log q`` is taken off so that the score is not
    pushed down for active people [Yi et al., RecSys 2019]. Neighbors of the row itself are not negatives.
    """

    config: LinkConfig

    def __init__(self, config: LinkConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        self.scale = 1 / math.sqrt(context.d_model)
        self.ranking_loss = build_loss(config.loss, config.loss_options, context)
        self.activity = PopularityBias(context.events, enabled=config.activity_bias)
        self.register_buffer("share_N", self.activity.share_N.clone(), persistent=False)
        self.share_N: Tensor

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        self.activity.observe(events, phases)

    def admit(self, items: Tensor) -> None:
        self.share_N = self.activity.share_N.clone()

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        target_BT = windows.item_BT
        x_BTd, bias_N = catalogue.take(target_BT), self.activity.all(catalogue.hidden_N)
        positive_BT = (h_BTd * x_BTd).sum(dim=-1) * self.scale + bias_N[target_BT]
        item_C, x_Cd = catalogue.peers(windows, self.share_N, self.config.negatives)
        negatives_BTC = functional.linear(h_BTd, self.scale * x_Cd, bias_N[item_C])
        # A neighbor anywhere in the row's window is a true link and no negative for the row.
        linked_BC = ((item_C == target_BT.unsqueeze(-1)) & windows.valid_BT.unsqueeze(-1)).any(dim=1)
        if self.config.objective == "bce":
            negative_BTC = functional.softplus(negatives_BTC).masked_fill(linked_BC.unsqueeze(1), 0.0)
            count_B1 = (~linked_BC).sum(dim=-1, keepdim=True).clamp(min=1)
            return functional.softplus(-positive_BT) + negative_BTC.sum(dim=-1) / count_B1
        corrected_BTC = negatives_BTC - torch.log(self.share_N[item_C] * self.config.negatives)
        corrected_BTC = corrected_BTC.masked_fill(linked_BC.unsqueeze(1), -math.inf)
        return self.ranking_loss(positive_BT, corrected_BTC, windows, includes_positive=False)

    def queries(self, h_Bd: Tensor, view: str) -> Tensor:
        return self.scale * h_Bd

    def keys(self, x_Nd: Tensor, items_N: Tensor) -> tuple[Tensor, Tensor]:
        return x_Nd, self.activity(items_N)
