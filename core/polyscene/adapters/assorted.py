"""Scenarios with adapters of different kinds behind one bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.config.choice import Choice

T = TypeVar("T", bound=Tensor)


def build_bank(choices: Sequence[Choice], default: Choice, d_model: int) -> AdapterBank:
    """A bank in which each scenario has the adapter of its choice.

    Args:
        choices: one for each scenario, in the order of their index.
        default: what a scenario gets that is added to an assorted bank later.
        d_model: width d.

    Raises:
        PolysceneError: an adapter does not fit the width.
    """
    if all(choice == choices[0] for choice in choices):
        bank: AdapterBank = choices[0].build(d_model=d_model, n_scenarios=len(choices))
        bank.choice = choices[0]
        return bank
    return AssortedBank(choices, default, d_model)


def grown_bank(bank: AdapterBank, choice: Choice) -> AdapterBank:
    """The bank with one scenario more; outputs of the others stay bit-equal.

    A bank of one kind becomes one of several (:class:`AssortedBank`) where the scenario's choice is another one.
    """
    if isinstance(bank, AssortedBank):
        bank.grow(1, choice)
    elif bank.choice is None or bank.choice == choice:
        bank.grow()
    else:
        assorted = AssortedBank([bank.choice] * bank.n_scenarios, bank.choice, bank.d_model)
        assorted.banks[0] = bank
        assorted.grow(1, choice)
        return assorted
    return bank


class AssortedBank(AdapterBank):
    """One bank for each distinct choice, over the scenarios that made it; rows go to the bank of their scenario.

    Stacked parameters and buffers have one row for each scenario *of their bank*, see :meth:`uniform`.

    Segments are sorted on the host, and a bank sees its own rows only: training goes by them, as a bank may count
    what it sees. Without segments (a router's decision) all banks see all rows and a row takes what it needs, so
    that nothing waits for the device. Soft weights mix parameters within a bank and outputs between banks: ``z =
    sum_b m_b A_b(h; w_b / m_b)`` with the weights ``w_b`` of the scenarios of bank b and their sum ``m_b``.

    Args:
        choices: one for each scenario, in the order of their index.
        default: the choice of scenarios that are added later.
        d_model: width d.
    """

    bank_K: Tensor
    place_K: Tensor

    def __init__(self, choices: Sequence[Choice], default: Choice, d_model: int) -> None:
        super().__init__(None, d_model, len(choices))
        self.default = default
        self.distinct: list[Choice] = []
        self.scenarios: list[list[int]] = []
        for scenario, choice in enumerate(choices):
            self._assign(scenario, choice)
        built = [
            choice.build(d_model=d_model, n_scenarios=len(scenarios))
            for choice, scenarios in zip(self.distinct, self.scenarios, strict=True)
        ]
        self.banks = nn.ModuleList(built)
        self.starts_as_identity = all(bank.starts_as_identity for bank in built)
        self._index(torch.device("cpu"))

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        if routing.weights_NK is not None:
            return self._by_weights(h_Nd, routing, routing.weights_NK)
        if routing.segments is not None:
            return self._by_segments(h_Nd, routing, routing.segments)
        assert routing.index_N is not None
        bank_N, place_N, z_Nd = self.bank_K[routing.index_N], self.place_K[routing.index_N], h_Nd
        for kind, bank in enumerate(self.banks):
            mine_N = bank_N == kind
            # A row of another bank goes through somebody's adapter here, and the result is left.
            real_N = mine_N if routing.real_N is None else mine_N & routing.real_N
            local = Routing(torch.where(mine_N, place_N, 0), personal_Nd=routing.personal_Nd, real_N=real_N)
            z_Nd = torch.where(mine_N.unsqueeze(-1), bank(h_Nd, local), z_Nd)
        return z_Nd

    def _by_segments(self, h_Nd: Tensor, routing: Routing, segments: Sequence[tuple[int, int, int]]) -> Tensor:
        sizes = [stop - start for _, start, stop in segments]
        beside = {"personal_Nd": routing.personal_Nd, "real_N": routing.real_N}
        rows = h_Nd.split(sizes)
        known = {key: rows_N.split(sizes) for key, rows_N in beside.items() if rows_N is not None}
        adapted: dict[int, Tensor] = {}
        for kind, bank in enumerate(self.banks):
            own = [number for number, (scenario, _, _) in enumerate(segments) if self.places[scenario][0] == kind]
            if not own:
                continue
            counts = [(self.places[segments[number][0]][1], sizes[number]) for number in own]
            local = replace(
                Routing.of_segments(counts, h_Nd.device),
                **{key: torch.cat([parts[number] for number in own]) for key, parts in known.items()},
            )
            out = bank(torch.cat([rows[number] for number in own]), local)
            adapted |= zip(own, out.split([sizes[number] for number in own]), strict=True)
        return torch.cat([adapted[number] for number in range(len(segments))])

    def _by_weights(self, h_Nd: Tensor, routing: Routing, weights_NK: Tensor) -> Tensor:
        z_Nd = torch.zeros_like(h_Nd)
        smallest = torch.finfo(weights_NK.dtype).tiny
        for bank, scenarios in self.uniform():
            own_Nk = torch.stack([weights_NK[:, scenario] for scenario in scenarios], -1)
            mass_N1 = own_Nk.sum(-1, keepdim=True)
            local = replace(routing, weights_NK=own_Nk / mass_N1.clamp_min(smallest))
            z_Nd = z_Nd + mass_N1 * bank(h_Nd, local)
        return z_Nd

    def uniform(self) -> list[tuple[AdapterBank, list[int]]]:
        return list(zip(cast("list[AdapterBank]", list(self.banks)), self.scenarios, strict=True))

    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        return self._of_banks(lambda bank: bank.scenario_parameters())

    def joint_parameters(self) -> dict[str, nn.Parameter]:
        return self._of_banks(lambda bank: bank.joint_parameters())

    def scenario_buffers(self) -> dict[str, Tensor]:
        return self._of_banks(lambda bank: bank.scenario_buffers())

    def settle(self) -> None:
        for bank, _ in self.uniform():
            bank.settle()

    def parameters_per_scenario(self, scenario: int = 0) -> int:
        kind, place = self.places[scenario]
        return self.uniform()[kind][0].parameters_per_scenario(place)

    def grow(self, count: int = 1, choice: Choice | None = None) -> None:
        choice = choice or self.default
        new = range(self.n_scenarios, self.n_scenarios + count)
        known = choice in self.distinct
        kind = self.uniform()[self.distinct.index(choice)][0] if known else None
        for scenario in new:
            self._assign(scenario, choice)
        if kind is not None:
            kind.grow(count)
        else:
            bank = choice.build(d_model=self.d_model, n_scenarios=count)
            self.banks.append(bank.to(self.bank_K.device).train(self.training))
        self.n_scenarios += count
        self._index(self.bank_K.device)

    def _assign(self, scenario: int, choice: Choice) -> None:
        if choice not in self.distinct:
            self.distinct.append(choice)
            self.scenarios.append([])
        self.scenarios[self.distinct.index(choice)].append(scenario)

    def _index(self, device: torch.device) -> None:
        """Each scenario's bank and its row there, on host and device; not saved, as the choices say it."""
        located = {
            scenario: (kind, place)
            for kind, scenarios in enumerate(self.scenarios)
            for place, scenario in enumerate(scenarios)
        }
        self.places = [located[scenario] for scenario in range(self.n_scenarios)]
        bank_K, place_K = torch.tensor(self.places, device=device).unbind(1)
        self.register_buffer("bank_K", bank_K, persistent=False)
        self.register_buffer("place_K", place_K, persistent=False)

    def _of_banks(self, tensors: Callable[[AdapterBank], Mapping[str, T]]) -> dict[str, T]:
        """What each bank has, under its name in this one."""
        return {
            f"banks.{number}.{name}": tensor
            for number, (bank, _) in enumerate(self.uniform())
            for name, tensor in tensors(bank).items()
        }
