"""One scenario as a function of fast parameters: its losses, its scores, its prototypes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from polyscene.data.windows import Windows
from polyscene.tasks.task import PairTask
from polyscene.training.meta.catalogue import Drawn
from polyscene.training.meta.forward import CONTEXT, Common, Given, SceneForward
from polyscene.training.meta.groups import FastGroups
from polyscene.training.meta.inner import FastParameters
from polyscene.training.meta.prototypes import PROTOTYPES, log_odds, prototype_loss, prototypes


class Scene(SceneForward):
    """A scenario's losses and scores under the fast parameters of one task.

    What no fast parameter reaches is computed once: the vectors of items, users and events unless encoders are
    fast, states before the bank of users unless the bank of items is (a history is read through adapted items).

    Args:
        fast: which parameters of which model are fast for which scenario.
        weights: the weight of each task of the scenario in its loss.
        context: whether :data:`CONTEXT` is fast.
    """

    def __init__(self, fast: FastGroups, weights: Mapping[str, float], *, context: bool = False) -> None:
        super().__init__(fast)
        self.weights, self.context = dict(weights), context

    def start(self) -> FastParameters:
        """Where a task begins."""
        found = self.fast.start()
        if self.context:
            like = next(self.model.parameters())
            found[CONTEXT] = torch.zeros(self.model.user_bank.d_model, device=like.device, dtype=like.dtype)
        return found

    def common(self, offset: Tensor) -> Common:
        """What all tasks share; ``offset`` is a random number from 0 to 1 that decides the negatives."""
        return self._call({}, self._common, offset)

    def given(self, windows: Windows, common: Common) -> Given:
        """What is computed once of windows ``[B, T]``."""
        return self._call({}, self._given, windows, common) if self.encodes_once else {}

    def losses(self, fast: FastParameters, windows: Windows, given: Given, common: Common) -> Tensor:
        """Losses ``[B, T]`` of every step of one task's windows, weighted and summed over the scenario's tasks."""
        return self._call(fast, self._losses, windows, given, common)

    def prototypes(self, windows: Windows, given: Given, common: Common, support_BT: Tensor) -> FastParameters:
        """The classes of one task, from its support rows."""
        return {PROTOTYPES: self._call({}, self._prototypes, windows, given, common, support_BT)}

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

    def _common(self, offset: Tensor, _: FastParameters) -> Common:
        all_Nd = None
        if self.encodes_once and self.takes_all:
            all_Nd = self.encode(torch.arange(self.model.n_items[self.name], device=offset.device))
        return Common(Drawn(offset, self.encode if self.encodes_once else None), all_Nd)

    def _given(self, windows: Windows, common: Common, _: FastParameters) -> Given:
        found = self.entities(windows, common.all_Nd)
        if self.adapts_items_once and self.model.main_task(self.name).from_history:
            found["states"] = self.states(windows, found, self.catalogue(common, windows, found))
        return found

    def _losses(self, windows: Windows, given: Given, common: Common, extra: FastParameters) -> Tensor:
        given = given or self.entities(windows, None)
        catalogue = self.catalogue(common, windows, given)
        h_BTd = self.adapted(self.states(windows, given, catalogue), windows.valid_BT, given, extra)
        if PROTOTYPES in extra:
            task = self.model.main_task(self.name)
            return prototype_loss(task, extra[PROTOTYPES], h_BTd, catalogue, windows)
        total_BT = torch.zeros_like(h_BTd[..., 0])
        for key, task in self.model.tasks_of(self.name).items():
            if isinstance(task, PairTask) and self.model.pair_bank is not None:
                logit_BT = self.logits(task, h_BTd, catalogue.take(windows.item_BT), windows.item_BT)
                loss_BT = task.pair_loss(logit_BT, windows.value_BT)
            else:
                loss_BT = task.loss(h_BTd, windows, catalogue)
            total_BT = total_BT + self.weights[key] * loss_BT
        return total_BT

    def _prototypes(
        self, windows: Windows, given: Given, common: Common, support_BT: Tensor, extra: FastParameters
    ) -> Tensor:
        given = given or self.entities(windows, None)
        catalogue = self.catalogue(common, windows, given)
        h_BTd = self.adapted(self.states(windows, given, catalogue), windows.valid_BT, given, extra)
        return prototypes(self.model.main_task(self.name), h_BTd, catalogue, windows, support_BT)

    def _scores(self, windows: Windows, given: Given, common: Common, view: str, extra: FastParameters) -> Tensor:
        given = given or self.entities(windows, None)
        catalogue, task = self.catalogue(common, windows, given), self.model.main_task(self.name)
        h_Bd = self.adapted(self.last_states(windows, given, catalogue), None, given, extra)[:, 0]
        x_Nd = catalogue.all()
        if PROTOTYPES in extra:
            return log_odds(extra[PROTOTYPES], h_Bd.unsqueeze(1) * x_Nd)
        items_N = torch.arange(len(x_Nd), device=x_Nd.device)
        if not isinstance(task, PairTask):
            return task.scores(h_Bd, x_Nd, items_N, view)
        h_BNd, x_BNd = torch.broadcast_tensors(h_Bd.unsqueeze(1), x_Nd)
        return self.logits(task, h_BNd, x_BNd, items_N.expand(len(h_Bd), -1))
