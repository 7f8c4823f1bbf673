"""The tasks of an episode on a scene: losses of all of them in one vectorized call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from polyscene.data.windows import Windows
from polyscene.training.meta.episodes import Episodes
from polyscene.training.meta.inner import FastParameters
from polyscene.training.meta.scene import Scene


class SceneTasks:
    """E tasks of one scenario, as :class:`polyscene.training.meta.algorithm.Tasks` describes them.

    What the tasks share is computed when this is made; everything else with ``vmap`` over tasks.

    Args:
        scene: the scenario's forward pass.
        episodes: the rows.
        offset: a random number from 0 to 1 that decides the negatives.
    """

    def __init__(self, scene: Scene, episodes: Episodes, offset: Tensor) -> None:
        self.scene, self.episodes = scene, episodes
        self.count = episodes.count
        with calm(*scene.model.banks(), scene.model.tasks):
            self.common = scene.common(offset)
            self.given = scene.given(episodes.windows, self.common)

    def start(self) -> FastParameters:
        return self.scene.start()

    def support(self, fast: FastParameters) -> Tensor:
        return self._losses(fast, self.episodes.support_BT)

    def query(self, fast: FastParameters) -> Tensor:
        return self._losses(fast, self.episodes.query_BT)

    def prototypes(self) -> FastParameters:
        def one(fast: FastParameters, windows: Windows, given: Any, support_WT: Tensor) -> FastParameters:
            return self.scene.prototypes(windows, given, self.common, support_WT)

        return self._over_tasks(one, {}, self.episodes.support_BT)

    def scores(self, fast: FastParameters, view: str) -> Tensor:
        """Scores ``[E, W, N]`` of all items after each of a task's windows."""

        def one(fast: FastParameters, windows: Windows, given: Any, _: Tensor) -> Tensor:
            return self.scene.scores(fast, windows, given, self.common, view)

        return self._over_tasks(one, fast, self.episodes.support_BT)

    def _losses(self, fast: FastParameters, counted_BT: Tensor) -> Tensor:
        """Losses ``[E]``, each the mean over the rows of the task that count."""

        def one(fast: FastParameters, windows: Windows, given: Any, counted_WT: Tensor) -> Tensor:
            loss_WT = self.scene.losses(fast, windows, given, self.common)
            return torch.where(counted_WT, loss_WT, 0.0).sum() / counted_WT.sum().clamp(min=1)

        return self._over_tasks(one, fast, counted_BT)

    def _over_tasks(self, one: Callable[..., Any], fast: FastParameters, mask_BT: Tensor) -> Any:
        windows = self.episodes.windows
        tensors = {f.name: value for f in fields(windows) if isinstance(value := getattr(windows, f.name), Tensor)}
        by_task = {key: self._split(value) for key, value in tensors.items()}
        columns = {key: self._split(value) for key, value in windows.columns.items()}
        given = {key: self._split(value) for key, value in self.given.items()}

        def call(fast: FastParameters, tensors: Any, columns: Any, given: Any, mask: Tensor) -> Any:
            return one(fast, replace(windows, **tensors, columns=columns), given, mask)

        # Attention by its formula: fused kernels have no second derivative, and no rule for vmap.
        with calm(self.scene.model), sdpa_kernel(SDPBackend.MATH):
            return vmap(call, randomness="different")(fast, by_task, columns, given, self._split(mask_BT))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(0, (self.count, -1))


@contextmanager
def calm(*modules: nn.Module) -> Iterator[None]:
    """Within the block these modules are in eval mode: they draw nothing and count nothing."""
    training = [one for module in modules for one in module.modules() if one.training]
    for one in training:
        one.training = False
    try:
        yield
    finally:
        for one in training:
            one.training = True
