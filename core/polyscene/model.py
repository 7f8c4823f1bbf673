"""The model: how encoders, sequence model, adapter banks and tasks become one network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.features.encoder import Encoder, SharedModules
from polyscene.features.entity import EntityEncoder
from polyscene.routing import LABEL, RECOGNITION, Route, Router, check_route
from polyscene.sequence.model import SequenceModel
from polyscene.tasks.task import Catalogue, Task


@dataclass(frozen=True)
class ScenarioParts:
    """The modules that one scenario brings.

    Args:
        items: encodes items.
        users: encodes users, None where nothing is known about them.
        events: encodes steps of a history beside their items, None where steps have no columns.
        tasks: the scenario's tasks by name; the first one ranks.
        n_items: number of items N.
    """

    items: EntityEncoder
    users: EntityEncoder | None
    events: EntityEncoder | None
    tasks: Mapping[str, Task]
    n_items: int


class PolysceneModel(nn.Module):
    """All scenarios on one shared sequence model and one bank of adapters each for users and items.

    Args:
        scenarios: the scenarios' parts in the order of their adapter index.
        shared: modules that encoders share (text projection, id spaces).
        sequence: turns histories into states.
        user_bank: adapts states.
        item_bank: adapts item vectors.
        router: recognizes the scenario of states without a label, None where all have one.
        whole_catalogue_items: catalogues up to this size are encoded once per step, larger ones, and those whose
            items take a network to encode, by what the step touches.
    """

    def __init__(
        self,
        scenarios: Mapping[str, ScenarioParts],
        *,
        shared: SharedModules,
        sequence: SequenceModel,
        user_bank: AdapterBank,
        item_bank: AdapterBank,
        router: Router | None = None,
        whole_catalogue_items: int = 5_000,
    ) -> None:
        super().__init__()
        self.names = list(scenarios)
        self.index = {name: k for k, name in enumerate(self.names)}
        self.n_items = {name: parts.n_items for name, parts in scenarios.items()}
        self.whole_catalogue_items = whole_catalogue_items
        self.shared, self.sequence = shared, sequence
        self.user_bank, self.item_bank, self.router = user_bank, item_bank, router
        self.items = nn.ModuleDict({name: parts.items for name, parts in scenarios.items()})
        self.users = nn.ModuleDict({name: parts.users for name, parts in scenarios.items() if parts.users})
        self.events = nn.ModuleDict({name: parts.events for name, parts in scenarios.items() if parts.events})
        self.tasks = nn.ModuleDict({name: nn.ModuleDict(parts.tasks) for name, parts in scenarios.items()})

    def forward(self, batch: Mapping[str, Windows]) -> dict[str, dict[str, Tensor]]:
        """Losses ``[B, T]`` of every step, by scenario and task; the router's come under ``RECOGNITION``."""
        catalogues = {name: self.catalogue(name) for name in batch}
        raw, own = self._histories(
            {name: windows for name, windows in batch.items() if self.main_task(name).from_history}, catalogues
        )
        raw = {name: _before_each_step(h_BTd, batch[name]) for name, h_BTd in raw.items()}
        for name, windows in batch.items():
            if name not in raw:
                raw[name] = self.main_task(name).query(windows, catalogues[name])
        states = self._adapted({name: raw[name] for name in batch}, own)
        losses = {
            name: {
                task_name: task.loss(states[name], windows, catalogues[name])
                for task_name, task in self.tasks_of(name).items()
            }
            for name, windows in batch.items()
        }
        if self.router is not None:
            for name, by_task in losses.items():
                by_task[RECOGNITION] = self.router.loss(raw[name], self.index[name])
        return losses

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def user_states(self, name: str, windows: Windows, catalogue: Catalogue, route: Route = LABEL) -> Tensor:
        """States ``[B, d]`` after the whole window, adapted: what recommendations are made from.

        Args:
            name: the scenario whose catalogue is recommended from.
            windows: what is known of each user.
            catalogue: the scenario's items.
            route: by which adapter, see :data:`polyscene.routing.Route`.

        Raises:
            ConfigError: the router is asked for, and there is none.
        """
        h_Bd, own = self._last_states(name, windows, catalogue)
        return self._adapted({name: h_Bd}, own, route)[name]

    def scenario_probabilities(self, name: str, windows: Windows, catalogue: Catalogue) -> Tensor:
        """``p(k | row)`` as ``[B, K]``, scenarios in the order of :attr:`names`; arguments as for states.

        Raises:
            ConfigError: there is no router.
        """
        check_route("router", self.router, where=f"scenario '{name}'")
        assert self.router is not None
        return self.router.probabilities(self._last_states(name, windows, catalogue)[0])

    def observe(self, name: str, events: Events, phases: Iterable[Phase]) -> None:
        """Let a scenario's tasks count what is known by now; nothing is learned."""
        for task in self.tasks_of(name).values():
            task.observe(events, phases)

    def catalogue(self, name: str) -> Catalogue:
        """Item vectors of a scenario, computed when they are first asked for."""
        return _ModelCatalogue(self, name)

    def tasks_of(self, name: str) -> dict[str, Task]:
        """The scenario's tasks by name, the ranking one first."""
        return dict(self.tasks[name].items())  # type: ignore[arg-type, union-attr]

    def main_task(self, name: str) -> Task:
        """The scenario's first task."""
        return next(iter(self.tasks_of(name).values()))

    def shared_parameters(self) -> dict[str, nn.Parameter]:
        """Trainable parameters that belong to no single scenario, by name.

        The sequence model, what banks share, and what encoders of several scenarios use together. A scenario's own
        encoders and tasks are not among them, and neither are stacked adapters, of which it has a slice.
        """
        own = {id(p) for bank in (self.user_bank, self.item_bank) for p in bank.scenario_parameters().values()}
        reached = Counter(key for name in self.names for key in self._reached(name))
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad and id(parameter) not in own and reached.get(id(parameter), 2) > 1
        }

    def adapt_items(self, name: str, x_Nd: Tensor) -> Tensor:
        """Item vectors through the scenario's adapter."""
        return self.item_bank(x_Nd, Routing.of_segments([(self.index[name], len(x_Nd))], x_Nd.device))

    def _last_states(self, name: str, windows: Windows, catalogue: Catalogue) -> tuple[Tensor, dict[str, Tensor]]:
        """States ``[B, d]`` after the whole window, not adapted, and the users' own vectors."""
        if not self.main_task(name).from_history:
            return self.main_task(name).query(windows, catalogue)[:, 0], {}
        states, own = self._histories({name: windows}, {name: catalogue})
        h_BTd = states[name]
        return h_BTd[torch.arange(len(h_BTd), device=h_BTd.device), windows.length_B], own

    def _reached(self, name: str) -> set[int]:
        """Ids of the parameters of a scenario's encoders and tasks, with those that they share with others."""
        parts = [part[name] for part in (self.items, self.users, self.events, self.tasks) if name in part]
        modules = [module for part in parts for module in part.modules()]
        modules += [one for module in modules if isinstance(module, Encoder) for one in module.shared.values()]
        return {id(parameter) for module in modules for parameter in module.parameters()}

    def _histories(
        self, batch: Mapping[str, Windows], catalogues: Mapping[str, Catalogue]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """States ``[B, T + 1, d]`` of histories, through the sequence model in one call for all scenarios.

        With them the users' own vectors ``[B, d]``, of the scenarios that know anything about users.
        """
        if not batch:
            return {}, {}
        steps, starts, ordered, counts = [], {}, [], []
        length = max(windows.item_BT.shape[1] for windows in batch.values())
        for name, windows in batch.items():
            x_BTd = catalogues[name].take(windows.item_BT)
            if name in self.events:
                x_BTd = x_BTd + self.events[name](windows.row_BT)
            missing = length - x_BTd.shape[1]
            steps.append(nn.functional.pad(x_BTd, (0, 0, 0, missing)) if missing else x_BTd)
            starts[name] = (
                self.users[name](windows.user_B) if name in self.users else torch.zeros_like(x_BTd[:, 0])
            )
            ordered.append(torch.full_like(windows.user_B, windows.ordered, dtype=torch.bool))
            counts.append(len(x_BTd))
        h_BTd = self.sequence(torch.cat(steps), torch.cat(list(starts.values())), torch.cat(ordered))
        own = {name: start_Bd for name, start_Bd in starts.items() if name in self.users}
        return dict(zip(batch, h_BTd.split(counts), strict=True)), own

    def _adapted(
        self, states: Mapping[str, Tensor], own: Mapping[str, Tensor] | None = None, route: Route = LABEL
    ) -> dict[str, Tensor]:
        """States ``[B, ..., d]`` of several scenarios through the bank in one call; ``own`` are users' vectors."""
        check_route(route, self.router, where=", ".join(states))
        flat = {name: h.flatten(0, -2) for name, h in states.items()}
        h_Nd, personal_Nd = torch.cat(list(flat.values())), _personal(states, own or {})
        if route == LABEL or self.router is None:
            counts = [(self.index[name], len(rows)) for name, rows in flat.items()]
            routing = Routing.of_segments(counts, h_Nd.device, personal_Nd)
        else:
            routing = self.router.routing(h_Nd, route, personal_Nd)
        adapted_Nd = self.user_bank(h_Nd, routing)
        pieces = adapted_Nd.split([len(h_Nd) for h_Nd in flat.values()])
        return {name: piece.view_as(state) for (name, state), piece in zip(states.items(), pieces, strict=True)}


def _before_each_step(h_BTd: Tensor, windows: Windows) -> Tensor:
    """Of states ``[B, T' + 1, d]`` those ``[B, T, d]`` before each step, or before all that happened with it."""
    if not windows.together:
        return h_BTd[:, : windows.item_BT.shape[1]]
    first_BT = windows.first_together_BT()
    return h_BTd.gather(1, first_BT.unsqueeze(-1).expand(-1, -1, h_BTd.shape[-1]))


def _personal(states: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Tensor | None:
    """The users' own vectors beside flat states ``[N, d]``: 0 in scenarios without, None where all are."""
    if not own:
        return None
    rows = [
        (own[name].view(len(h), *[1] * (h.ndim - 2), -1) if name in own else h.new_zeros(())).expand_as(h)
        for name, h in states.items()
    ]
    return torch.cat([row.flatten(0, -2) for row in rows])


class _ModelCatalogue(Catalogue):
    """Item vectors of one step: small catalogues at once, large ones as needed."""

    def __init__(self, model: PolysceneModel, name: str) -> None:
        self.model, self.name = model, name
        self.n_items = model.n_items[name]
        self.whole = not model.items[name].is_costly
        self._all: Tensor | None = None
        self._taken: dict[int, tuple[Tensor, Tensor]] = {}

    def all(self) -> Tensor:
        if self._all is None:
            self._all = self._encode(torch.arange(self.n_items, device=self.model.device))
        return self._all

    def take(self, items: Tensor) -> Tensor:
        if self._all is not None or (self.whole and self.n_items <= self.model.whole_catalogue_items):
            return self.all()[items]
        if not self.model.training:
            return self._encode(items.flatten()).view(*items.shape, -1)
        # A step asks for the items of its windows again and again: as history, as targets, for each task.
        if id(items) not in self._taken:
            self._taken[id(items)] = (items, self._encode(items.flatten()).view(*items.shape, -1))
        return self._taken[id(items)][1]

    def _encode(self, items: Tensor) -> Tensor:
        return self.model.adapt_items(self.name, self.model.items[self.name](items))
