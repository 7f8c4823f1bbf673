"""Brings a good scenario and parts for it that break: in every way, and one of them not at once."""

from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from polyscene import (
    AdapterBank,
    Component,
    Encoder,
    Id,
    Routing,
    Scenario,
    SoftmaxLoss,
    Tables,
    generate,
    hookimpl,
)

POLYSCENE_API = "1.0"
MENDED = False


def load(config: Any, data: Any) -> Tables:
    return replace(generate(users=30, items=20, interactions=300, seed=0, clusters=4), links=None, facts=None)


class LateLoss(SoftmaxLoss):
    """Works for five steps."""

    calls = 0

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        self.calls += self.training
        if self.calls > 5 and not MENDED:
            raise ZeroDivisionError("weights sum to 0")
        return super().forward(*inputs, **options)


class LeavingLoss(SoftmaxLoss):
    def forward(self, *inputs: Any, **options: Any) -> NoReturn:
        raise SystemExit(3)


class MeanLoss(SoftmaxLoss):
    """Reduces, which is the engine's task."""

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        return super().forward(*inputs, **options).mean()


class UnbuiltLoss(SoftmaxLoss):
    def __init__(self, config: Any) -> None:
        raise AttributeError("no such option")


class WideAdapter(AdapterBank):
    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        return torch.cat([h_Nd, h_Nd], dim=-1)

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {}


class AbsentEncoder(Encoder):
    """Learns nothing and then looks for it."""

    def fit(self, values: Any, context: Any) -> None:
        self.out_dim = context.d_model

    def fitted(self) -> dict[str, Any]:
        return {}

    def load_fitted(self, fitted: Any, context: Any) -> None:
        self.fit(None, context)

    def bind(self, values: Any, context: Any) -> None:
        pass

    def forward(self, row: Tensor) -> Tensor:
        return self.vectors[row]


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    return [Scenario("parts", load, item_columns=(Id(),), title="Generated plays")]


@hookimpl
def polyscene_components() -> list[Component]:
    return [
        Component("loss", "late", LateLoss),
        Component("loss", "leaving", LeavingLoss),
        Component("loss", "mean", MeanLoss),
        Component("loss", "unbuilt", UnbuiltLoss),
        Component("adapter", "wide", WideAdapter),
        Component("encoder", "absent", AbsentEncoder),
    ]
