"""Several adapters in one scenario: one after another, or side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.adapters.bottleneck import Bottleneck, BottleneckConfig
from polyscene.adapters.gate import Gate, GateConfig
from polyscene.config.choice import Choice, parts_of
from polyscene.errors import ConfigError
from polyscene.registry.components import Component

T = TypeVar("T", bound=Tensor)


def default_members() -> dict[str, Choice]:
    """A gate and a bottleneck: what all histories of a scenario have in common, and what depends on the row."""
    return {
        "content": Choice("gate", GateConfig(), Component("adapter", "gate", Gate, GateConfig)),
        "behavior": Choice(
            "bottleneck",
            BottleneckConfig(),
            Component("adapter", "bottleneck", Bottleneck, BottleneckConfig),
        ),
    }


@dataclass
class CombinedConfig:
    """Options of an adapter that is made of others.

    Args:
        adapters: the members by a label of your own, each ``NAME`` or ``{name: NAME, option: value, ...}``, in
            their order.
    """

    adapters: dict[str, Choice] = field(default_factory=default_members, metadata=parts_of("adapter"))

    def __post_init__(self) -> None:
        if not self.adapters:
            raise ConfigError("'adapters' names no adapter", fix="give one or more, as in {first: gate}")


class CombinedBank(AdapterBank):
    """Several banks over the same scenarios; a kind says how their outputs become one."""

    def __init__(self, config: CombinedConfig, d_model: int, n_scenarios: int) -> None:
        super().__init__(config, d_model, n_scenarios)
        built = [choice.build(d_model=d_model, n_scenarios=n_scenarios) for choice in config.adapters.values()]
        self.starts_as_identity = all(member.starts_as_identity for member in built)
        self.ignores_scenario = all(member.ignores_scenario for member in built)
        # By number: a label may be any word, also one that a module has for itself.
        self.members = nn.ModuleList(built)

    def own_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters per scenario beside those of the members."""
        return {}

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return self.own_parameters() | self._of_members(lambda bank: bank.scenario_parameters())

    def joint_parameters(self) -> dict[str, nn.Parameter]:
        return self._of_members(lambda bank: bank.joint_parameters())

    def scenario_buffers(self) -> dict[str, Tensor]:
        return self._of_members(lambda bank: bank.scenario_buffers())

    def grow(self, count: int = 1) -> None:
        for bank in self.banks():
            bank.grow(count)
        fresh = type(self)(self.config, self.d_model, count)
        for name, more in fresh.own_parameters().items():
            self.append_rows(name, more)
        self.n_scenarios += count

    def settle(self) -> None:
        for bank in self.banks():
            bank.settle()

    def banks(self) -> list[AdapterBank]:
        """The members in their order."""
        return cast("list[AdapterBank]", list(self.members))

    def _of_members(self, tensors: Callable[[AdapterBank], Mapping[str, T]]) -> dict[str, T]:
        """What each member has, under its name in this bank."""
        return {
            f"members.{number}.{name}": tensor
            for number, bank in enumerate(self.banks())
            for name, tensor in tensors(bank).items()
        }


class Stack(CombinedBank):
    """``z = A_m(... A_2(A_1(h)))``: each member adapts what the one before it made."""

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        for bank in self.banks():
            h_Nd = bank(h_Nd, routing)
        return h_Nd


class Parallel(CombinedBank):
    """``z = h + sum_i (A_i(h) - h)``: what the members change is added up."""

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        z_Nd = h_Nd
        for bank in self.banks():
            z_Nd = z_Nd + (bank(h_Nd, routing) - h_Nd)
        return z_Nd
