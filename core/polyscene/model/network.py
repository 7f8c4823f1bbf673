"""The network: all scenarios on one shared sequence model and banks of adapters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.auxiliary.auxiliary import Auxiliary
from polyscene.config.choice import Choice
from polyscene.contract import with_shape
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.features.encoder import SharedModules
from polyscene.model.catalogue import ModelCatalogue
from polyscene.model.growth import grow
from polyscene.model.histories import histories, last_states, states_after, timeless_users, with_recalled
from polyscene.model.pairs import pair_losses
from polyscene.model.parts import ScenarioParts
from polyscene.model.sharing import shared_parameters
from polyscene.priors.mixture import PriorMixture
from polyscene.routing import LABEL, RECOGNITION, Route, Router, mean_so_far, no_router_error, taken
from polyscene.sequence.model import SequenceModel
from polyscene.sequence.states import after_all, before_each_step, beside_states
from polyscene.tasks.task import Catalogue, PairTask, Task

_PER_STEP = "a task gives one loss for each step"


class PolysceneModel(nn.Module):
    """All scenarios on one shared sequence model and one bank of adapters each for users and items.

    Args:
        scenarios: the scenarios' parts in the order of their adapter index.
        shared: modules that encoders share (text projection, id spaces).
        sequence: turns histories into states.
        user_bank: adapts states.
        item_bank: adapts item vectors.
        pair_bank: adapts vectors of a user and an item together, None where no task judges pairs.
        router: recognizes the scenario of states without a label, None where all have one.
        auxiliaries: further losses by name, each for the scenarios that it concerns.
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
        pair_bank: AdapterBank | None = None,
        router: Router | None = None,
        auxiliaries: Mapping[str, Auxiliary] | None = None,
        whole_catalogue_items: int = 5_000,
    ) -> None:
        super().__init__()
        self.names = list(scenarios)
        self.index = {name: k for k, name in enumerate(self.names)}
        self.n_items = {name: parts.n_items for name, parts in scenarios.items()}
        self.whole_catalogue_items = whole_catalogue_items
        self.shared, self.sequence = shared, sequence
        self.user_bank, self.item_bank, self.router = user_bank, item_bank, router
        self.pair_bank = pair_bank
        self.auxiliaries = nn.ModuleDict(auxiliaries or {})
        self.items = nn.ModuleDict({name: parts.items for name, parts in scenarios.items()})
        self.users = nn.ModuleDict({name: parts.users for name, parts in scenarios.items() if parts.users})
        self.events = nn.ModuleDict({name: parts.events for name, parts in scenarios.items() if parts.events})
        self.tasks = nn.ModuleDict({name: nn.ModuleDict(parts.tasks) for name, parts in scenarios.items()})
        self.priors = nn.ModuleDict({name: parts.priors for name, parts in scenarios.items() if parts.priors})

    def forward(self, batch: Mapping[str, Windows]) -> dict[str, dict[str, Tensor]]:
        """Losses ``[B, T]`` of every step, by scenario and task.

        Those of auxiliary losses stand beside them under their names, and the router's under ``RECOGNITION``.
        """
        catalogues = {name: self.catalogue(name) for name in batch}
        users = {name: windows for name, windows in batch.items() if self.main_task(name).from_history}
        past = {name: windows for name, windows in users.items() if self.main_task(name).reads_past}
        raw, own = histories(self, past, catalogues)
        raw = {name: before_each_step(h_BTd, batch[name]) for name, h_BTd in raw.items()}
        timeless = {name: windows for name, windows in users.items() if name not in raw}
        own |= timeless_users(self, timeless, catalogues)
        for name, windows in timeless.items():
            h_Bd = with_recalled(self, name, own[name], windows.user_B, windows.item_BT[:, 0])
            raw[name] = h_Bd.unsqueeze(1).expand(*windows.item_BT.shape, -1)
        for name, windows in batch.items():
            if name not in raw:
                raw[name] = self.main_task(name).query(windows, catalogues[name])
        real_N = torch.cat([windows.valid_BT.flatten() for windows in batch.values()])
        states = self._adapted({name: raw[name] for name in batch}, own, real_N=real_N)
        pairs = pair_losses(self, states, batch, catalogues)
        losses = {
            name: {
                task_name: with_shape(
                    task.loss(states[name], windows, catalogues[name]), windows.item_BT.shape, task, _PER_STEP
                )
                if (name, task_name) not in pairs
                else pairs[name, task_name]
                for task_name, task in self.tasks_of(name).items()
            }
            for name, windows in batch.items()
        }
        for name, windows in batch.items():
            losses[name] |= {
                term: auxiliary.loss(self, name, windows, catalogues[name], states[name])
                for term, auxiliary in self.auxiliaries_of(name).items()
            }
        if self.router is not None:
            for name, windows in batch.items():
                past_BTd = self.past(name, windows, catalogues[name])
                past_BTd = before_each_step(past_BTd, windows) if self.main_task(name).from_history else past_BTd
                losses[name][RECOGNITION] = self.router.loss(past_BTd, self.index[name])
        if self.training:
            for bank in self.banks():
                bank.settle()
        return losses

    def grow(self, name: str, parts: ScenarioParts, adapter: Choice) -> None:
        """Add a scenario, with slices of its own in banks and router; what the others give stays bit-equal.

        Args:
            name: the scenario.
            parts: what it brings.
            adapter: its adaptation function; slices start as at the beginning of training.
        """
        grow(self, name, parts, adapter)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def user_states(
        self, name: str, windows: Windows, catalogue: Catalogue, routing: Routing | None = None
    ) -> Tensor:
        """States ``[B, d]`` after the whole window, adapted: what recommendations are made from.

        Args:
            name: the scenario whose catalogue is recommended from.
            windows: what is known of each user.
            catalogue: the scenario's items.
            routing: by which adapters, see :meth:`routing`; the scenario's own if None.
        """
        return self.states_of({name: windows}, {name: catalogue}, routing)[name]

    def states_of(
        self, batch: Mapping[str, Windows], catalogues: Mapping[str, Catalogue], routing: Routing | None = None
    ) -> dict[str, Tensor]:
        """As :meth:`user_states` of several scenarios, through sequence model and bank in one call for all."""
        states, own = states_after(self, batch, catalogues)
        return self._adapted(states, own, routing)

    def anonymous_states(self, name: str, windows: Windows, catalogue: Catalogue) -> Tensor:
        """As :meth:`user_states` where a task reads the past, with nothing known of users but that."""
        states, _ = last_states(self, {name: windows}, {name: catalogue}, known=False)
        return self._adapted(states, {})[name]

    def routing(self, name: str, windows: Windows, catalogue: Catalogue, route: Route) -> Routing | None:
        """The adapters of B rows that go by a route; None where their label chooses. Arguments as for states.

        Raises:
            ConfigError: the router is asked for, and there is none.
        """
        if route == LABEL:
            return None
        p_BK = self.recognize(name, windows, catalogue)
        assert self.router is not None
        return self.router.routing(p_BK, route)

    def recognize(self, name: str, windows: Windows, catalogue: Catalogue) -> Tensor:
        """``p(k | row)`` as ``[B, K]`` after the whole window, scenarios in the order of :attr:`names`.

        Arguments as for states: what is recommended from is known, for what people is not.

        Raises:
            ConfigError: there is no router.
        """
        if self.router is None:
            raise no_router_error(where=f"scenario '{name}'")
        past_BTd = self.past(name, windows, catalogue)
        from_history = self.main_task(name).from_history
        return self.router.probabilities(after_all(past_BTd, windows) if from_history else past_BTd[:, 0])

    def observe(self, name: str, events: Events, phases: Iterable[Phase]) -> None:
        """Let a scenario's tasks and priors count what is known by now; nothing is learned."""
        known = list(phases)
        for task in self.tasks_of(name).values():
            task.observe(events, known)
        if (mixture := self.mixture(name)) is not None:
            mixture.observe(events, known)

    def mixture(self, name: str) -> PriorMixture | None:
        """The scenario's priors and their gates; None where nothing is counted."""
        mixture = dict(self.priors.items()).get(name)
        assert mixture is None or isinstance(mixture, PriorMixture)
        return mixture

    def catalogue(self, name: str) -> ModelCatalogue:
        """Item vectors of a scenario, computed when they are first asked for."""
        return ModelCatalogue(self, name)

    def tasks_of(self, name: str) -> dict[str, Task]:
        """The scenario's tasks by name, the ranking one first."""
        return dict(self.tasks[name].items())  # type: ignore[arg-type, union-attr]

    def auxiliaries_of(self, name: str) -> dict[str, Auxiliary]:
        """The auxiliary losses that concern a scenario, by name."""
        terms: dict[str, Auxiliary] = dict(self.auxiliaries.items())  # type: ignore[arg-type]
        return {term: auxiliary for term, auxiliary in terms.items() if auxiliary.concerns(self, name)}

    def main_task(self, name: str) -> Task:
        """The scenario's first task."""
        return next(iter(self.tasks_of(name).values()))

    def shared_parameters(self) -> dict[str, nn.Parameter]:
        """Trainable parameters that belong to no single scenario, by name: see :mod:`polyscene.model.sharing`."""
        return shared_parameters(self)

    def banks(self) -> list[AdapterBank]:
        """The banks of adapters, one for each place that has any."""
        return [bank for bank in (self.user_bank, self.item_bank, self.pair_bank) if bank is not None]

    def pair_logits(
        self,
        name: str,
        task: PairTask,
        h_Md: Tensor,
        x_Md: Tensor,
        item_M: Tensor,
        *,
        routing: Routing | None = None,
    ) -> Tensor:
        """Log odds ``[M]`` of adapted states and item vectors; ``routing`` of the pairs as for states."""
        pair_Md = task.pairs(h_Md, x_Md)
        if pair_Md is not None and self.pair_bank is not None:
            routing = routing or Routing.of_segments([(self.index[name], len(pair_Md))], pair_Md.device)
            pair_Md = self.pair_bank(pair_Md, replace(routing, personal_Nd=h_Md + x_Md))
        return task.logits(h_Md, x_Md, item_M, pair_Md)

    def scores(
        self, name: str, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str, *, routing: Routing | None = None
    ) -> Tensor:
        """Scores ``[B, N]`` of items by the scenario's first task, see :meth:`polyscene.tasks.task.Task`.

        Where that adapts pairs, ``routing`` is also theirs. What priors add is the :meth:`mixture`'s.
        """
        task = self.main_task(name)
        if not (isinstance(task, PairTask) and task.adapts_pairs):
            return task.scores(h_Bd, x_Nd, items_N, view)
        # A network on pairs costs [N, d] for each user: one at a time bounds the memory.
        rows = []
        for row, h_d in enumerate(h_Bd):
            of_row = routing and taken(routing, torch.full_like(items_N, row))
            rows.append(self.pair_logits(name, task, h_d.expand_as(x_Nd), x_Nd, items_N, routing=of_row))
        return torch.stack(rows)

    def adapt_items(self, name: str, x_Nd: Tensor) -> Tensor:
        """Item vectors through the scenario's adapter."""
        return self.item_bank(x_Nd, Routing.of_segments([(self.index[name], len(x_Nd))], x_Nd.device))

    def past(self, name: str, windows: Windows, catalogue: Catalogue) -> Tensor:
        """What the router reads: means ``[B, T + 1, d]`` of histories, or queries ``[B, T, d]``."""
        assert isinstance(catalogue, ModelCatalogue)
        if not self.main_task(name).from_history:
            return self.main_task(name).query(windows, catalogue.plain)
        return mean_so_far(catalogue.plain.take(windows.item_BT), windows.valid_BT)

    def _adapted(
        self,
        states: Mapping[str, Tensor],
        own: Mapping[str, Tensor],
        routing: Routing | None = None,
        real_N: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """States ``[B, ..., d]`` of several scenarios through the bank in one call.

        Args:
            states: states by scenario.
            own: the users' own vectors ``[B, d]``, of the scenarios that know anything about users.
            routing: which adapters, where a row's own scenario is not to choose.
            real_N: False for states of steps that only fill windows up.
        """
        flat = {name: h.flatten(0, -2) for name, h in states.items()}
        h_Nd, personal_Nd = torch.cat(list(flat.values())), beside_states(states, own)
        if routing is None:
            routing = Routing.of_segments(
                [(self.index[name], len(rows)) for name, rows in flat.items()], h_Nd.device
            )
        adapted_Nd = self.user_bank(h_Nd, replace(routing, personal_Nd=personal_Nd, real_N=real_N))
        pieces = adapted_Nd.split([len(h_Nd) for h_Nd in flat.values()])
        return {name: piece.view_as(state) for (name, state), piece in zip(states.items(), pieces, strict=True)}
