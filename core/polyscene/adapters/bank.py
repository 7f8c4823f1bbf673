"""The adapter bank contract: one adaptation function per scenario, applied to a mixed batch at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

# Below this many rows per segment one batched product for all scenarios is as fast as a product per segment
# (measured on a CPU, widths 64 and 16, forward and backward: equal at 50 rows).
_ROWS_PER_SEGMENT = 32


@dataclass(frozen=True)
class Routing:
    """Which scenario's adapter each of N rows goes through.

    Either ``index_N`` (int64 scenario index per row), with ``segments`` where rows of a scenario are neighbours
    (``(scenario, start, stop)`` known on the host, so that no copy of the weights per row is made), or soft
    ``weights_NK`` of a router, which mix the scenarios' parameters: a one-hot row is the same as its index.
    ``personal_Nd`` is the vector of who or what a row is about, where it is known beside ``h``: the user of a state.
    """

    index_N: Tensor | None = None
    weights_NK: Tensor | None = None
    segments: tuple[tuple[int, int, int], ...] | None = None
    personal_Nd: Tensor | None = None

    @classmethod
    def of_segments(
        cls, counts: list[tuple[int, int]], device: torch.device | str, personal_Nd: Tensor | None = None
    ) -> Routing:
        """Routing of rows that lie scenario by scenario: ``counts`` is ``[(scenario, number of rows), ...]``."""
        segments, start = [], 0
        for scenario, count in counts:
            segments.append((scenario, start, start + count))
            start += count
        index = torch.cat([torch.full((count,), scenario, device=device) for scenario, count in counts])
        return cls(index_N=index, segments=tuple(segments), personal_Nd=personal_Nd)


class AdapterBank(nn.Module, ABC):
    """Adaptation functions ``M_k`` of all scenarios: ``forward(h_Nd, routing) -> [N, d]``.

    A kind keeps its own parameters of all scenarios stacked, ``[K, ...]``, starts as one function for all scenarios,
    and in eval mode gives a row the same output whatever else is in the batch. What a kind counts while training
    (running statistics, an annealed temperature) is a buffer, so that checkpoints hold it.

    Args:
        config: the adapter's options.
        d_model: width d.
        n_scenarios: number of scenarios K.

    Attributes:
        starts_as_identity: whether that function is ``z = h``.
        source: where the kind was published, for reports.
    """

    starts_as_identity: bool = True
    source: ClassVar[str] = ""

    def __init__(self, config: Any, d_model: int, n_scenarios: int) -> None:
        super().__init__()
        self.config, self.d_model, self.n_scenarios = config, d_model, n_scenarios

    @abstractmethod
    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        """Adapted vectors ``[N, d]``."""

    @abstractmethod
    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters whose first dimension is the scenario, by name; only rows of that scenario reach a slice."""

    def scenario_buffers(self) -> dict[str, Tensor]:
        """Buffers whose first dimension is the scenario, by name."""
        return {}

    def shared_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters that all scenarios share, by name: experts, the network that generates weights, vectors."""
        own = {id(parameter) for parameter in self.scenario_parameters().values()}
        return {name: parameter for name, parameter in self.named_parameters() if id(parameter) not in own}

    def grow(self, count: int = 1) -> None:
        """Add scenarios, each starting as at the beginning of training; outputs of the others stay bit-equal."""
        fresh = type(self)(self.config, self.d_model, count)
        for name, parameter in fresh.scenario_parameters().items():
            old = self.get_parameter(name)
            module_name, _, leaf = name.rpartition(".")
            grown = nn.Parameter(torch.cat([old.detach(), parameter.detach().to(old)]), old.requires_grad)
            setattr(self.get_submodule(module_name), leaf, grown)
        for name, buffer in fresh.scenario_buffers().items():
            old = self.get_buffer(name)
            module_name, _, leaf = name.rpartition(".")
            setattr(self.get_submodule(module_name), leaf, torch.cat([old, buffer.to(old)]))
        self.n_scenarios += count

    def parameters_per_scenario(self, scenario: int = 0) -> int:
        """Number of parameters that a scenario owns: the same for all in a bank of one kind."""
        return sum(parameter[0].numel() for parameter in self.scenario_parameters().values())


def routed(parameter_K: Tensor, routing: Routing) -> Tensor:
    """The rows' own slices ``[N, ...]`` of a stacked parameter ``[K, ...]`` (small parameters: vectors)."""
    if routing.weights_NK is not None:
        return torch.tensordot(routing.weights_NK, parameter_K, dims=1)
    if routing.segments is not None:
        # Views instead of copies; their gradient is a plain sum, where that of an index is a sort.
        slices = [
            parameter_K[k].expand(stop - start, *parameter_K.shape[1:]) for k, start, stop in routing.segments
        ]
        return slices[0] if len(slices) == 1 else torch.cat(slices)
    assert routing.index_N is not None
    return parameter_K[routing.index_N]


def routed_linear(h_Ni: Tensor, weight_Kio: Tensor, routing: Routing) -> Tensor:
    """``h_n @ W_{k(n)}`` for each row: ``[N, o]``.

    By segments where rows of a scenario are neighbors. Otherwise with the weights of all scenarios, of which a row
    keeps its own: faster than copying a weight matrix for each row (6 times at 256 rows and 5 scenarios). Each
    scenario is a product of its own in the batch, so that adding one cannot change the rounding of the others.
    """
    if routing.segments is not None and len(h_Ni) >= _ROWS_PER_SEGMENT * len(routing.segments):
        return torch.cat([h_Ni[start:stop] @ weight_Kio[k] for k, start, stop in routing.segments])
    all_KNo = torch.bmm(h_Ni.expand(len(weight_Kio), -1, -1), weight_Kio)
    if routing.weights_NK is not None:
        return torch.einsum("nk,kno->no", routing.weights_NK, all_KNo)
    assert routing.index_N is not None
    return all_KNo[routing.index_N, torch.arange(len(h_Ni), device=h_Ni.device)]
