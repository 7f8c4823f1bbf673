"""One scenario's forward pass as a function of fast parameters: the model's own parts, in the model's own order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.sequence.states import after_all, before_each_step, beside_states
from polyscene.tasks.task import PairTask
from polyscene.training.meta.catalogue import Drawn, EpisodeCatalogue
from polyscene.training.meta.groups import FastGroups
from polyscene.training.meta.inner import FastParameters
from polyscene.training.meta.prototypes import PROTOTYPES, log_odds, prototype_loss, prototypes

CONTEXT = "context"
"""The fast name of a vector that is added to states in front of the bank of users."""

Given = dict[str, Tensor]
"""What is computed once for all inner steps, each ``[B, ...]`` beside the windows."""


@dataclass(frozen=True)
class Common:
    """What all tasks of an episode share.

    Args:
        drawn: the negatives.
        all_Nd: vectors of all items, ``None`` where they are not asked for or depend on the task.
    """

    drawn: Drawn
    all_Nd: Tensor | None


class Scene(nn.Module):
    """A scenario's losses and scores under fast parameters.

    What no fast parameter reaches is computed once: the vectors of items, users and events unless encoders are
    fast, states before the bank of users unless the bank of items is (a history is read through adapted items).
    Adapters and tasks are called in eval mode: episodes leave what they count as it is, and adaptation is the same
    in training and at serving.

    Args:
        model: the model.
        name: the scenario.
        groups: names of groups of fast parameters, see :class:`FastGroups`.
        context: whether :data:`CONTEXT` is fast.
        weights: the weight of each task's loss.
    """

    def __init__(
        self, model: PolysceneModel, name: str, groups: tuple[str, ...], context: bool, weights: Mapping[str, float]
    ) -> None:
        super().__init__()
        self.model, self.name, self.context, self.weights = model, name, context, dict(weights)
        self.fast = FastGroups(model, name, groups)
        self.encodes_once = not {"body", "suffix"} & set(groups)
        self.adapts_items_once = self.encodes_once and "adapter" not in groups
        tasks = model.tasks_of(name).values()
        encoder: Any = model.items[name]
        self.whole = not encoder.is_costly
        small = self.whole and model.n_items[name] <= model.whole_catalogue_items
        self.takes_all = small and any(task.compares_all for task in tasks)

    def start(self) -> FastParameters:
        """Where a task begins."""
        found = self.fast.start()
        if self.context:
            like = next(self.model.parameters())
            found[CONTEXT] = torch.zeros(self.model.user_bank.d_model, device=like.device, dtype=like.dtype)
        return found

    def common(self, offset: Tensor) -> Common:
        """What all tasks share; ``offset`` is a random number from 0 to 1."""
        return self._call({}, self._common, offset)

    def _common(self, offset: Tensor, _: FastParameters) -> Common:
        encode = self._once if self.encodes_once else None
        all_Nd = None
        if encode is not None and self.takes_all:
            all_Nd = encode(torch.arange(self.model.n_items[self.name], device=offset.device))
        return Common(Drawn(offset, encode), all_Nd)

    def given(self, windows: Windows, common: Common) -> Given:
        """What is computed once of windows ``[B, T]``; called with the model in training mode in training."""
        return self._call({}, self._given, windows, common) if self.encodes_once else {}

    def _given(self, windows: Windows, common: Common, _: FastParameters) -> Given:
        found = self._entities(windows, common.all_Nd)
        if common.all_Nd is None and self.adapts_items_once:
            found["items"] = self._adapt_items(found["items"])
        task = self.model.main_task(self.name)
        if self.adapts_items_once and task.from_history:
            found["states"] = self._states(windows, found, self._catalogue(common, windows, found))
        return found

    def losses(self, fast: FastParameters, windows: Windows, given: Given, common: Common) -> Tensor:
        """Losses ``[B, T]`` of every step under one task's fast parameters, over all tasks of the scenario."""
        return self._call(fast, self._losses, windows, given, common)

    def prototypes(self, windows: Windows, given: Given, common: Common, support_BT: Tensor) -> FastParameters:
        """Prototypes of one task's classes, from its support rows."""

        def found(extra: FastParameters) -> Tensor:
            catalogue = self._catalogue(common, windows, given)
            h_BTd = self._adapted(self._before_bank(windows, given, catalogue), windows, given, extra)
            task = self.model.main_task(self.name)
            return prototypes(task, h_BTd, catalogue.take(windows.item_BT), windows, support_BT)

        return {PROTOTYPES: self._call({}, found)}

    def scores(self, fast: FastParameters, windows: Windows, given: Given, common: Common, view: str) -> Tensor:
        """Scores ``[B, N]`` of all items after the whole window, by the scenario's first task."""
        return self._call(fast, self._scores, windows, given, common, view)

    def forward(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a method with whatever stands in the place of parameters now."""
        return function(*arguments)

    def _call(self, fast: FastParameters, function: Callable[..., Any], *arguments: Any) -> Any:
        extra = {key: value for key, value in fast.items() if key in (CONTEXT, PROTOTYPES)}
        own = {key: value for key, value in fast.items() if key not in extra}
        swapped = {f"model.{key}": value for key, value in self.fast.substitutes(own).items()}
        return functional_call(self, swapped, (function, *arguments, extra))

    def _losses(self, windows: Windows, given: Given, common: Common, extra: FastParameters) -> Tensor:
        given = given or self._entities(windows, None)
        catalogue = self._catalogue(common, windows, given)
        h_BTd = self._adapted(self._before_bank(windows, given, catalogue), windows, given, extra)
        if PROTOTYPES in extra:
            task = self.model.main_task(self.name)
            return prototype_loss(task, extra[PROTOTYPES], h_BTd, catalogue.take(windows.item_BT), windows)
        total_BT = torch.zeros_like(h_BTd[..., 0])
        for key, task in self.model.tasks_of(self.name).items():
            pairs = isinstance(task, PairTask) and self.model.pair_bank is not None
            loss_BT = self._pair_loss(task, h_BTd, windows, catalogue) if pairs else task.loss(h_BTd, windows, catalogue)
            total_BT = total_BT + self.weights[key] * loss_BT
        return total_BT

    def _scores(
        self, windows: Windows, given: Given, common: Common, view: str, extra: FastParameters
    ) -> Tensor:
        given = given or self._entities(windows, None)
        catalogue = self._catalogue(common, windows, given)
        model, task = self.model, self.model.main_task(self.name)
        if not task.from_history:
            raw_Bd = task.query(windows, catalogue)[:, 0]
        elif task.reads_past:
            raw_Bd = after_all(self._read(windows, given, catalogue), windows)
        else:
            raw_Bd = self._timeless(windows, given, None)
        h_Bd = self._adapted(raw_Bd.unsqueeze(1), None, given, extra)[:, 0]
        x_Nd = catalogue.all()
        if PROTOTYPES in extra:
            return log_odds(extra[PROTOTYPES], h_Bd.unsqueeze(1) * x_Nd)
        items_N = torch.arange(len(x_Nd), device=x_Nd.device)
        if not isinstance(task, PairTask):
            return task.scores(h_Bd, x_Nd, items_N, view)
        h_BNd, x_BNd = torch.broadcast_tensors(h_Bd.unsqueeze(1), x_Nd)
        return self._logits(task, h_BNd, x_BNd, items_N.expand(len(h_Bd), -1))

    def _entities(self, windows: Windows, all_Nd: Tensor | None) -> Given:
        """Vectors of the windows' items, users and events."""
        model, name = self.model, self.name
        found = {"items": model.items[name](windows.item_BT)} if all_Nd is None else {"items": all_Nd[windows.item_BT]}
        if name in model.users and model.main_task(name).from_history:
            found["users"] = model.users[name](windows.user_B)
        if name in model.events:
            found["events"] = model.events[name](windows.row_BT)
        return found

    def _catalogue(self, common: Common, windows: Windows, given: Given) -> EpisodeCatalogue:
        def unchanged(x: Tensor) -> Tensor:
            return x

        adapt = unchanged if self.adapts_items_once else self._adapt_items
        catalogue = EpisodeCatalogue(
            self.model.n_items[self.name], self.whole, self._encode, adapt, common.drawn, common.all_Nd
        )
        catalogue.keep(windows.item_BT, given["items"])
        return catalogue

    def _once(self, items: Tensor) -> Tensor:
        """Vectors of items as far as they are the same for all tasks."""
        x = self.model.items[self.name](items)
        return self._adapt_items(x) if self.adapts_items_once else x

    def _encode(self, items: Tensor) -> Tensor:
        return self._once(items) if self.adapts_items_once else self.model.items[self.name](items)

    def _adapt_items(self, x: Tensor) -> Tensor:
        return self._through("item_bank", x)

    def _before_bank(self, windows: Windows, given: Given, catalogue: EpisodeCatalogue) -> Tensor:
        """States ``[B, T, d]`` before each step, not adapted yet."""
        if "states" in given:
            return given["states"]
        return self._states(windows, given, catalogue)

    def _states(self, windows: Windows, given: Given, catalogue: EpisodeCatalogue) -> Tensor:
        task = self.model.main_task(self.name)
        if not task.from_history:
            return task.query(windows, catalogue)
        if task.reads_past:
            return before_each_step(self._read(windows, given, catalogue), windows)
        h_Bd = self._timeless(windows, given, windows.item_BT[:, 0])
        return h_Bd.unsqueeze(1).expand(*windows.item_BT.shape, -1)

    def _read(self, windows: Windows, given: Given, catalogue: EpisodeCatalogue) -> Tensor:
        """States ``[B, T + 1, d]`` of histories."""
        x_BTd = catalogue.take(windows.item_BT)
        if "events" in given:
            x_BTd = x_BTd + given["events"]
        start_Bd = given["users"] if "users" in given else torch.zeros_like(x_BTd[:, 0])
        ordered_B = torch.full(x_BTd.shape[:1], windows.ordered, dtype=torch.bool, device=x_BTd.device)
        return self.model.sequence(x_BTd, start_Bd, ordered_B)

    def _timeless(self, windows: Windows, given: Given, item_B: Tensor | None) -> Tensor:
        task = self.model.main_task(self.name)
        recalled_Bd = task.recall(windows.user_B, item_B) if isinstance(task, PairTask) else None
        return given["users"] if recalled_Bd is None else given["users"] + recalled_Bd

    def _adapted(self, h_BTd: Tensor, windows: Windows | None, given: Given, extra: FastParameters) -> Tensor:
        """States through the bank of users."""
        own = {self.name: given["users"]} if "users" in given else {}
        personal_Nd = beside_states({self.name: h_BTd}, own)
        real_N = None if windows is None else windows.valid_BT.flatten()
        h_BTd = h_BTd + extra[CONTEXT] if CONTEXT in extra else h_BTd
        return self._through("user_bank", h_BTd, personal_Nd, real_N)

    def _pair_loss(self, task: PairTask, h_BTd: Tensor, windows: Windows, catalogue: EpisodeCatalogue) -> Tensor:
        logit_BT = self._logits(task, h_BTd, catalogue.take(windows.item_BT), windows.item_BT)
        return task.pair_loss(logit_BT, windows.value_BT)

    def _logits(self, task: PairTask, h: Tensor, x: Tensor, item: Tensor) -> Tensor:
        pair = task.pairs(h, x)
        if pair is not None and self.model.pair_bank is not None:
            pair = self._through("pair_bank", pair, (h + x).flatten(0, -2))
        return task.logits(h, x, item, pair)

    def _through(self, prefix: str, h: Tensor, personal_Nd: Tensor | None = None, real_N: Tensor | None = None) -> Tensor:
        """Vectors ``[..., d]`` through the scenario's own adapter."""
        bank, place = self._bank(prefix)
        h_Nd = h.flatten(0, -2)
        routing = Routing.of_segments([(place, len(h_Nd))], h_Nd.device, personal_Nd)
        return bank(h_Nd, replace(routing, real_N=real_N)).view_as(h)

    def _bank(self, prefix: str) -> tuple[AdapterBank, int]:
        """The bank of one kind that the scenario's rows go through, and its place there now."""
        scenario = self.model.index[self.name]
        for bank, scenarios in getattr(self.model, prefix).uniform():
            if scenario in scenarios:
                return bank, 0 if self.fast.stacks[prefix].alone else scenarios.index(scenario)
        raise KeyError(prefix)
