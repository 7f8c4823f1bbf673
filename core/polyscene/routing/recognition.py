"""The scenario-recognition network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from polyscene.errors import ConfigError, Problems
from polyscene.routing.router import Router


@dataclass
class RecognitionConfig:
    """Options of the scenario-recognition network.

    Args:
        hidden: width of its hidden layer.
        weight: factor of its cross-entropy in the loss of a step. Where ``detach`` is true it hardly matters, as
            AdamW divides by the size of gradients.
        detach: whether the representation is left alone. If false, it is bent towards telling scenarios apart.
        mode: how a row without a label is adapted: ``soft`` mixes the adapters by probability, ``hard`` takes the
            likeliest scenario's.
    """

    hidden: int = 64
    weight: float = 1.0
    detach: bool = True
    mode: Literal["hard", "soft"] = "soft"

    def __post_init__(self) -> None:
        problems = Problems("router 'recognition'")
        if self.hidden < 1:
            problems.add(f"hidden is {self.hidden}", fix="use 1 or more")
        if not 0 < self.weight < float("inf"):
            problems.add(f"weight is {self.weight}", fix="use a number above 0, or router=none")
        problems.raise_if_any(ConfigError)


class Recognition(Router):
    """``p(k | row) = softmax_k (<w_k, gelu(W LN(x) + b)> + b_k)``, uniform at the start.

    A gate over experts as in mixtures of experts [Jacobs et al., Neural Computation 1991], here with labels to
    learn from. Rows of scenarios are unequal in number; the engine averages the cross-entropy within each scenario
    and then over scenarios, which makes the prior uniform: a small scenario is recognized as well as a large one,
    and the share of rows in training does not leak into serving.
    """

    config: RecognitionConfig

    def __init__(self, config: RecognitionConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        self.hidden = nn.Linear(d_model, config.hidden)
        self.out_Kh1 = nn.Parameter(torch.zeros(n_scenarios, config.hidden, 1))
        self.bias_K = nn.Parameter(torch.zeros(n_scenarios))

    def forward(self, x_Nd: Tensor) -> Tensor:
        hidden_Nh = nn.functional.gelu(self.hidden(nn.functional.layer_norm(x_Nd, (self.d_model,))))
        # A product of its own for each scenario, so that adding one cannot change the rounding of the others.
        logits_KN = torch.bmm(hidden_Nh.expand(self.n_scenarios, -1, -1), self.out_Kh1).squeeze(-1)
        return logits_KN.T + self.bias_K

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {"out_Kh1": self.out_Kh1, "bias_K": self.bias_K}

    def add_scenarios(self, count: int) -> None:
        for name in ("out_Kh1", "bias_K"):
            old = getattr(self, name)
            fresh = old.new_zeros(count, *old.shape[1:])
            setattr(self, name, nn.Parameter(torch.cat([old.detach(), fresh]), old.requires_grad))
