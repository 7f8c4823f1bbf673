"""One scenario's forward pass in parts: the model's own modules, in the model's own order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.data.windows import Windows
from polyscene.sequence.states import after_all, before_each_step, beside_states
from polyscene.tasks.task import PairTask
from polyscene.training.meta.catalogue import Drawn, EpisodeCatalogue
from polyscene.training.meta.groups import FastGroups
from polyscene.training.meta.inner import FastParameters

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


class SceneForward(nn.Module):
    """The parts of a scenario's forward pass, under whatever stands in the place of parameters now.

    Args:
        fast: which parameters of which model are fast for which scenario.

    Attributes:
        encodes_once: whether no fast parameter reaches the encoders.
        adapts_items_once: whether none reaches the bank of items either, and so none the histories.
    """

    def __init__(self, fast: FastGroups) -> None:
        super().__init__()
        self.model, self.name = fast.model, fast.name
        self.fast = fast
        self.encodes_once = not {"body", "suffix"} & set(fast.groups)
        self.adapts_items_once = self.encodes_once and "adapter" not in fast.groups
        encoder: Any = self.model.items[self.name]
        self.whole = not encoder.is_costly
        small = self.whole and self.model.n_items[self.name] <= self.model.whole_catalogue_items
        self.takes_all = small and any(task.compares_all for task in self.model.tasks_of(self.name).values())

    def encode(self, items: Tensor) -> Tensor:
        """Vectors ``[..., d]`` of items, adapted where that is done once."""
        x = self.model.items[self.name](items)
        return self.adapt_items(x) if self.adapts_items_once else x

    def entities(self, windows: Windows, all_Nd: Tensor | None) -> Given:
        """Vectors of the windows' items, users and events."""
        model, name = self.model, self.name
        items = windows.item_BT
        found = {"items": self.encode(items) if all_Nd is None else all_Nd[items]}
        if name in model.users and model.main_task(name).from_history:
            found["users"] = model.users[name](windows.user_B)
        if name in model.events:
            found["events"] = model.events[name](windows.row_BT)
        return found

    def catalogue(self, common: Common, windows: Windows, given: Given) -> EpisodeCatalogue:
        """The scenario's items as the task sees them now."""
        adapt = _unchanged if self.adapts_items_once else self.adapt_items
        catalogue = EpisodeCatalogue(
            self.model.n_items[self.name], self.encode, adapt, common.drawn, whole=self.whole, all_Nd=common.all_Nd
        )
        catalogue.keep(windows.item_BT, given["items"])
        return catalogue

    def states(self, windows: Windows, given: Given, catalogue: EpisodeCatalogue) -> Tensor:
        """States ``[B, T, d]`` before each step, not adapted yet."""
        if "states" in given:
            return given["states"]
        task = self.model.main_task(self.name)
        if not task.from_history:
            return task.query(windows, catalogue)
        if task.reads_past:
            return before_each_step(self._read(windows, given, catalogue), windows)
        h_Bd = self._timeless(windows, given, windows.item_BT[:, 0])
        return h_Bd.unsqueeze(1).expand(*windows.item_BT.shape, -1)

    def last_states(self, windows: Windows, given: Given, catalogue: EpisodeCatalogue) -> Tensor:
        """States ``[B, 1, d]`` after the whole window, not adapted yet."""
        task = self.model.main_task(self.name)
        if not task.from_history:
            return task.query(windows, catalogue)[:, :1]
        if task.reads_past:
            return after_all(self._read(windows, given, catalogue), windows).unsqueeze(1)
        return self._timeless(windows, given, None).unsqueeze(1)

    def adapted(self, h_BTd: Tensor, real_BT: Tensor | None, given: Given, extra: FastParameters) -> Tensor:
        """States through the bank of users; False in ``real_BT`` where a step only fills up."""
        own = {self.name: given["users"]} if "users" in given else {}
        personal_Nd = beside_states({self.name: h_BTd}, own)
        h_BTd = h_BTd + extra[CONTEXT] if CONTEXT in extra else h_BTd
        return self._through("user_bank", h_BTd, personal_Nd, real_BT)

    def adapt_items(self, x: Tensor) -> Tensor:
        """Item vectors ``[..., d]`` through the bank of items."""
        return self._through("item_bank", x)

    def logits(self, task: PairTask, h: Tensor, x: Tensor, item: Tensor) -> Tensor:
        """Log odds ``[...]`` of pairs of adapted states and items ``[..., d]``."""
        pair = task.pairs(h, x) if self.model.pair_bank is not None else None
        if pair is not None:
            pair = self._through("pair_bank", pair, (h + x).flatten(0, -2))
        return task.logits(h, x, item, pair)

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

    def _through(
        self, prefix: str, h: Tensor, personal_Nd: Tensor | None = None, real: Tensor | None = None
    ) -> Tensor:
        """Vectors ``[..., d]`` through the scenario's own adapter."""
        bank, place = self._bank(prefix)
        h_Nd = h.flatten(0, -2)
        routing = Routing.of_segments([(place, len(h_Nd))], h_Nd.device, personal_Nd)
        return bank(h_Nd, replace(routing, real_N=None if real is None else real.flatten())).view_as(h)

    def _bank(self, prefix: str) -> tuple[AdapterBank, int]:
        """The bank of one kind that the scenario's rows go through, and its place there now."""
        scenario = self.model.index[self.name]
        bank, scenarios = next(one for one in getattr(self.model, prefix).uniform() if scenario in one[1])
        return bank, 0 if self.fast.stacks[prefix].alone else scenarios.index(scenario)


def _unchanged(x: Tensor) -> Tensor:
    return x
