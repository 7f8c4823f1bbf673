"""Meta-SGD: every number has an inner learning rate of its own, and it is learned."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from polyscene.training.meta.algorithm import GradientAlgorithm
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.inner import FastParameters, Rates


class Metasgd(GradientAlgorithm):
    """``fast - a * grad L_support(fast)`` with a learned tensor ``a`` of the parameter's own shape [Li et al.,
    arXiv 1707.09835].

    Rates begin at ``inner_lr`` and may become negative, as published. Scenarios share those of parameters that
    they have in common and of their slices of a bank; a head has its own.
    """

    def __init__(self, config: MetaConfig, starts: Mapping[str, FastParameters]) -> None:
        super().__init__(config, starts)
        values = {name: value for start in starts.values() for name, value in start.items()}
        self.rate = nn.ParameterDict(
            {_key(name): nn.Parameter(torch.full_like(value, config.inner_lr)) for name, value in values.items()}
        )

    def rates(self, start: FastParameters) -> Rates:
        # A scenario that came after training has a head without learned rates.
        known = {name: self.rate[_key(name)] for name in start if _key(name) in self.rate}
        return dict.fromkeys(start, self.config.inner_lr) | known


def _key(name: str) -> str:
    return name.replace(".", "/")  # a dot is no part of a parameter's own name
