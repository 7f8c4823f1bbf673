"""The control: one shared function for all scenarios."""

from __future__ import annotations

from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing


class NoAdapter(AdapterBank):
    """``z = h``."""

    ignores_scenario = True

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        return h_Nd

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return {}
