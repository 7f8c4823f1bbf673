"""The adapter bank contract: one adaptation function per scenario, applied to a mixed batch at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from polyscene.adapters.blocks import Blocks
from polyscene.adapters.grouped import can_group, grouped_product
from polyscene.config.choice import Choice
from polyscene.contract import with_shape

# Rows without segments get a copy of their own weight matrix each while these copies have no more numbers than
# this, 4 MiB in float32 (measured on a CPU, widths 64 and 16: at 5 scenarios the other way is 3 times faster in
# training and equal in inference, at 50 it is 4 times slower).
_COPIED_WEIGHTS = 2**20
# With more segments than this, rows are laid out in blocks (measured on a CPU, forward and backward of 2,048 rows,
# widths 64 and 16: at 5 segments products one by one take 0.6 of the time, at 50 they take 2.7 times as long).
_FEW_SEGMENTS = 8


@dataclass(frozen=True)
class Routing:
    """Which scenario's adapter each of N rows goes through.

    Either ``index_N`` (int64 scenario index per row), with ``segments`` where rows of a scenario are neighbours
    (``(scenario, start, stop)`` known on the host, so that no copy of the weights per row is made), or soft
    ``weights_NK`` of a router, which mix the scenarios' parameters: a one-hot row is the same as its index.
    ``personal_Nd`` is the vector of who or what a row is about, where it is known beside ``h``: the user of a
    state. Rows that only fill a batch up are False in ``real_N``: a bank that counts rows leaves them out.
    """

    index_N: Tensor | None = None
    weights_NK: Tensor | None = None
    segments: tuple[tuple[int, int, int], ...] | None = None
    personal_Nd: Tensor | None = None
    real_N: Tensor | None = None

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

    @cached_property
    def blocks(self) -> Blocks | None:
        """The rows in blocks where there are many segments."""
        if self.segments is None or len(self.segments) <= _FEW_SEGMENTS:
            return None
        assert self.index_N is not None
        return Blocks.of_segments(self.segments, self.index_N.device)


class AdapterBank(nn.Module, ABC):
    """Adaptation functions ``M_k`` of all scenarios: ``forward(h_Nd, routing) -> [N, d]``.

    A kind keeps its own parameters of all scenarios stacked, ``[K, ...]``, starts as one function for all
    scenarios, and in eval mode gives a row the same output whatever else is in the batch. What a kind counts while
    training (running statistics, an annealed temperature) is a buffer, so that checkpoints hold it.

    Args:
        config: the adapter's options.
        d_model: width d.
        n_scenarios: number of scenarios K.

    Attributes:
        starts_as_identity: whether that function is ``z = h``.
        ignores_scenario: whether rows of all scenarios go through the same function whatever was learned.
        source: where the kind was published, for reports.
        choice: what the config said, where it chose the kind; None for a bank that stands for 'no adapter here'.
    """

    starts_as_identity: bool = True
    ignores_scenario: bool = False
    source: ClassVar[str] = ""
    choice: Choice | None = None

    def __init__(self, config: Any, d_model: int, n_scenarios: int) -> None:
        super().__init__()
        self.config, self.d_model, self.n_scenarios = config, d_model, n_scenarios

    def __call__(self, h_Nd: Tensor, *inputs: Any, **options: Any) -> Tensor:
        found = super().__call__(h_Nd, *inputs, **options)
        return with_shape(found, h_Nd.shape, self, "an adapter keeps the shape of its rows")

    @abstractmethod
    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        """Adapted vectors ``[N, d]``."""

    @abstractmethod
    def scenario_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters whose first dimension is the scenario, by name; only rows of that scenario reach a slice."""

    def scenario_buffers(self) -> dict[str, Tensor]:
        """Buffers whose first dimension is the scenario, by name."""
        return {}

    def joint_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters whose first dimension is the scenario and that rows of all scenarios reach by the formula.

        They are shared, and they grow with the scenarios: so does the work for a row.
        """
        return {}

    def shared_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters that all scenarios share, by name: experts, the network that generates weights, vectors."""
        own = {id(parameter) for parameter in self.scenario_parameters().values()}
        return {name: parameter for name, parameter in self.named_parameters() if id(parameter) not in own}

    def settle(self) -> None:
        """Let what was counted since the last time take effect; the model calls it after each pass in training.

        A bank is called several times in a pass, for states and for items in pieces, and all of these calls have
        to adapt alike.
        """

    def uniform(self) -> list[tuple[AdapterBank, list[int]]]:
        """The banks of one kind that this bank is made of, each with the scenarios of its rows: here itself."""
        return [(self, list(range(self.n_scenarios)))]

    def grow(self, count: int = 1) -> None:
        """Add scenarios, each starting as at the beginning of training; outputs of the others stay bit-equal."""
        fresh = type(self)(self.config, self.d_model, count)
        stacked = fresh.scenario_parameters() | fresh.joint_parameters() | fresh.scenario_buffers()
        for name, more in stacked.items():
            self.append_rows(name, more)
        self.n_scenarios += count

    def append_rows(self, name: str, more: Tensor) -> None:
        """Add rows of further scenarios to a stacked parameter or buffer of this bank."""
        module_name, _, leaf = name.rpartition(".")
        module = self.get_submodule(module_name)
        old: Tensor = getattr(module, leaf)
        grown = torch.cat([old.detach(), more.detach().to(old)])
        setattr(module, leaf, nn.Parameter(grown, old.requires_grad) if isinstance(old, nn.Parameter) else grown)

    def parameters_per_scenario(self, scenario: int = 0) -> int:
        """Number of parameters that a scenario brings: the same for all in a bank of one kind."""
        brought = self.scenario_parameters() | self.joint_parameters()
        return sum(parameter[0].numel() for parameter in brought.values())


def routed(parameter_K: Tensor, routing: Routing) -> Tensor:
    """The rows' own slices ``[N, ...]`` of a stacked parameter ``[K, ...]`` (small parameters: vectors)."""
    if routing.weights_NK is not None:
        return torch.tensordot(routing.weights_NK, parameter_K, dims=1)
    assert routing.index_N is not None
    # Its gradient adds rows up; that of parameter_K[index_N] sorts them, that of views fills zeros per scenario.
    return parameter_K.index_select(0, routing.index_N)


def routed_linear(h_Ni: Tensor, weight_Kio: Tensor, routing: Routing) -> Tensor:
    """``h_n @ W_{k(n)}`` for each row: ``[N, o]``; a row may also have several vectors, ``[N, m, i]``.

    Where rows of a scenario are neighbors, one product per segment, started by one call where torch can, or one
    batched product of blocks where they are many and small: work grows with rows, and hardly with scenarios.
    Without segments, rows take copies of their matrices as long as these are small; beyond that, and with soft
    weights, all rows go through the matrices of all scenarios. Which way depends on the rows and never on K:
    growing would change the rounding of the others.
    """
    h_Nmi = h_Ni if h_Ni.dim() == 3 else h_Ni.unsqueeze(1)
    if routing.weights_NK is not None:
        out_Nmo = torch.einsum("nk,knmo->nmo", routing.weights_NK, _through_all(h_Nmi, weight_Kio))
    elif routing.segments is not None and can_group(h_Nmi, weight_Kio, routing.segments, _FEW_SEGMENTS):
        vectors = h_Nmi.shape[1]
        out_Ro = grouped_product(h_Nmi.flatten(0, 1), weight_Kio, routing.segments, vectors)
        out_Nmo = out_Ro.unflatten(0, (-1, vectors))
    elif routing.blocks is not None:
        out_Nmo = routing.blocks.product(h_Nmi, weight_Kio)
    elif routing.segments is not None:
        # Taken apart once: the gradient of a slice is as large as what it was cut from.
        pieces = h_Nmi.split([stop - start for _, start, stop in routing.segments])
        weights = weight_Kio.unbind()
        products = [piece @ weights[k] for piece, (k, _, _) in zip(pieces, routing.segments, strict=True)]
        out_Nmo = products[0] if len(products) == 1 else torch.cat(products)
    else:
        assert routing.index_N is not None
        if len(h_Nmi) * weight_Kio[0].numel() <= _COPIED_WEIGHTS:
            out_Nmo = torch.bmm(h_Nmi, weight_Kio.index_select(0, routing.index_N))
        else:
            row_N = torch.arange(len(h_Nmi), device=h_Nmi.device)
            out_Nmo = _through_all(h_Nmi, weight_Kio)[routing.index_N, row_N]
    return out_Nmo if h_Ni.dim() == 3 else out_Nmo.squeeze(1)


def _through_all(h_Nmi: Tensor, weight_Kio: Tensor) -> Tensor:
    """``h_n @ W_k`` for every row and scenario ``[K, N, m, o]``, each scenario a product of its own."""
    flat_Ri = h_Nmi.flatten(0, 1)
    return torch.bmm(flat_Ri.expand(len(weight_Kio), -1, -1), weight_Kio).unflatten(1, h_Nmi.shape[:2])
