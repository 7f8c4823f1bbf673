"""Tasks of the router: recognize a scenario of which few labelled rows are known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from polyscene.data.windows import Windows
from polyscene.model import PolysceneModel
from polyscene.routing import Router
from polyscene.sequence.states import before_each_step
from polyscene.training.meta.episodes import Episodes
from polyscene.training.meta.inner import FastParameters


class RouterTasks:
    """E tasks in which one scenario at a time is as new: its part of the router's last layer begins as fresh.

    All scenarios' parts of that layer are fast, the rest of the router is slow. Support and query rows are those
    of the scenarios' own episodes, each loss the mean over scenarios of the mean over rows.

    Args:
        model: a model with a router, which recognizes the scenarios of the episodes.
        episodes: drawn for each scenario, with the same number of tasks.
    """

    def __init__(self, model: PolysceneModel, episodes: Mapping[str, Episodes]) -> None:
        assert model.router is not None
        self.router: Router = model.router
        self.index = [model.index[name] for name in episodes]
        self.count = next(iter(episodes.values())).count
        self.past = [_split(_past(model, name, one.windows), self.count) for name, one in episodes.items()]
        if self.router.config.detach:
            self.past = [x.detach() for x in self.past]
        self.masks = {
            "support": [_split(one.support_BT, self.count) for one in episodes.values()],
            "query": [_split(one.query_BT, self.count) for one in episodes.values()],
        }
        device = model.device
        fresh_E = torch.tensor(self.index, device=device)[
            torch.arange(self.count, device=device) % len(self.index)
        ]
        self.fresh_EK = torch.arange(self.router.n_scenarios, device=device) == fresh_E.unsqueeze(1)

    def start(self) -> FastParameters:
        return dict(self.router.scenario_parameters())

    def support(self, fast: FastParameters) -> Tensor:
        return self._losses(fast, "support")

    def query(self, fast: FastParameters) -> Tensor:
        return self._losses(fast, "query")

    def prototypes(self) -> FastParameters:
        raise NotImplementedError("a router has no prototypes")

    def _losses(self, fast: FastParameters, rows: str) -> Tensor:
        start = self.start()

        def one(fast: FastParameters, past: list[Tensor], masks: list[Tensor], fresh_K: Tensor) -> Tensor:
            # A fresh part is 0 at the start and moves as far as the parameter in its place does.
            fast = {key: _without(value, start[key], fresh_K) for key, value in fast.items()}
            means = []
            for k, x, mask in zip(self.index, past, masks, strict=True):
                logits_NK = functional_call(self.router, fast, (x.flatten(0, -2),))
                loss_N = -logits_NK.float().log_softmax(-1)[:, k]
                means.append(torch.where(mask.flatten(), loss_N, 0.0).sum() / mask.sum().clamp(min=1))
            return self.router.config.weight * torch.stack(means).mean()

        return vmap(one)(fast, self.past, self.masks[rows], self.fresh_EK)


def _split(x: Tensor, count: int) -> Tensor:
    return x.unflatten(0, (count, -1))


def _without(value_K: Tensor, start_K: Tensor, fresh_K: Tensor) -> Tensor:
    return value_K - start_K * fresh_K.view(-1, *[1] * (start_K.ndim - 1))


def _past(model: PolysceneModel, name: str, windows: Windows) -> Tensor:
    """What the router reads of every row, ``[B, T, d]``."""
    past_BTd = model.past(name, windows, model.catalogue(name))
    return before_each_step(past_BTd, windows) if model.main_task(name).from_history else past_BTd
