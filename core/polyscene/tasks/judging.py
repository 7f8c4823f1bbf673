"""What tasks that judge pairs have in common: labels from values, classes that are uneven, and a cutoff."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError
from polyscene.tasks.cutoff import Decision, best_cutoff
from polyscene.tasks.task import PairTask, TaskContext


@dataclass
class JudgingConfig:
    """Options of tasks that judge pairs.

    Args:
        threshold: a row is a positive when its value is above this.
        balanced: weigh classes so that positives and negatives count the same in total.
        resample: draw training rows so that positives and negatives come up equally often. Probabilities are then
            those of a world in which they do.
        focal_gamma: focusing exponent of the focal loss, 0 for plain cross-entropy [Lin et al., ICCV 2017].
        decision: what the cutoff, above which a row is taken for a positive, is best for on validation rows:
            ``f1`` of positives, or ``balanced_accuracy``, the mean of the shares found of both classes.
    """

    threshold: float = 0.5
    balanced: bool = False
    resample: bool = False
    focal_gamma: float = 0.0
    decision: Decision = "f1"

    def __post_init__(self) -> None:
        if self.balanced and self.resample:
            raise ConfigError(
                "balanced and resample both even out the classes",
                fix="choose one of them, or rare ones count twice",
            )


class JudgingTask(PairTask):
    """Binary cross-entropy on labels, with class weights and focusing.

    Attributes:
        rate: share of positives among the training rows, by Laplace's rule.
        cutoff: log odds above which a row is taken for a positive: 0 until validation rows settle it. Its place in
            the state dict keeps it with the weights that it was chosen for.
    """

    class_weight: Tensor
    cutoff: Tensor

    def __init__(self, config: JudgingConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        events = context.events
        _, row = events.rows([Phase.TRAIN])
        positive_R = self.labels(events.value_R[torch.from_numpy(row).to(events.value_R.device)]).double()
        # Laplace's rule keeps log odds finite when training has one class only.
        self.rate = float((positive_R.sum() + 1) / (len(row) + 2))
        self.register_buffer("class_weight", torch.tensor([0.5 / (1 - self.rate), 0.5 / self.rate]))
        self.register_buffer("cutoff", torch.zeros(()))

    @property
    def first_bias(self) -> float:
        """Log odds of a positive among the rows that are drawn: where a bias starts."""
        return 0.0 if self.config.resample else math.log(self.rate / (1 - self.rate))

    def labels(self, value: Tensor) -> Tensor:
        return value > self.config.threshold

    def pair_loss(self, logit: Tensor, value: Tensor) -> Tensor:
        label = self.labels(value).to(logit.dtype)
        loss = functional.binary_cross_entropy_with_logits(logit, label, reduction="none")
        if self.config.focal_gamma:
            # exp(-loss) is the probability given to the true class.
            loss = loss * (1 - torch.exp(-loss)) ** self.config.focal_gamma
        if self.config.balanced:
            loss = loss * self.class_weight[label.long()]
        return loss

    def decides(self, logit: Tensor) -> Tensor:
        return logit > self.cutoff

    def settle(self, logit_M: Tensor, label_M: Tensor) -> None:
        cutoff = best_cutoff(logit_M, label_M, self.config.decision)
        if cutoff is not None:
            self.cutoff.fill_(cutoff)

    def row_weights(self, events: Events) -> Tensor | None:
        """One over the training rows of a row's class; None if rows are drawn as they are, or have one class."""
        label_R = self.labels(events.value_R).long()
        train = torch.from_numpy(events.rows([Phase.TRAIN])[1]).to(label_R.device)
        count_2 = torch.bincount(label_R[train], minlength=2)
        if not self.config.resample or not bool((count_2 > 0).all()):
            return None
        return (1 / count_2.double())[label_R]
