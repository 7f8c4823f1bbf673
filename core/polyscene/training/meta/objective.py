"""The objective of meta-learning: episodes beside the mixed batch, in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from polyscene.data.sampling import step_generator
from polyscene.data.windows import Windows
from polyscene.routing import RECOGNITION
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.episodes import Episodes, EpisodeSampler, ScenarioEpisodes, UserEpisodes
from polyscene.training.meta.learner import Learner
from polyscene.training.meta.maml import Maml
from polyscene.training.meta.recognition import RouterTasks
from polyscene.training.meta.tasks import SceneTasks
from polyscene.training.objective import Multitask, Objective, ObjectiveContext
from polyscene.training.step import Step

_EPISODES = "episodes"


class MetaObjective(Objective):
    """``L(mixed batch) + weight * mean over scenarios of mean over tasks of L(query after adaptation)``.

    The gradients of episodes are added to those of the mixed batch, which its balancer has made; with
    ``multitask=false`` they come alone. A router learns from episodes of its own.

    Args:
        context: config, model and scenarios.
        config: the strategy's options.

    Raises:
        ConfigError: a scenario has too few rows for episodes, or nothing that could be fast.
    """

    def __init__(self, context: ObjectiveContext, config: MetaConfig) -> None:
        super().__init__()
        self.config, self.seed, self.context = config, context.config.seed, context
        self.multitask = Multitask(context)
        self.learner = Learner(context, config)
        self.samplers = {name: _sampler(context, config, name) for name in context.names}
        routed = config.router and context.model.router is not None and len(context.names) > 1
        self.recognizes = Maml(config, {}) if routed else None

    @property
    def curves(self) -> Sequence[str]:
        return [f"{name}/{_EPISODES}" for name in (*self.samplers, RECOGNITION)]

    def served(self) -> nn.Module | None:
        return self.learner

    def backward(self, step: Step, number: int, batch: Mapping[str, Windows], *, last: bool) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        if self.config.multitask:
            losses |= self.multitask.backward(step, number, batch, last=last)
        with step.fabric.autocast():
            found = self.losses(step, number)
        own = {name: loss for name, loss in found.items() if name in self.samplers}
        total = self.config.weight * torch.stack(list(own.values())).mean()
        if RECOGNITION in found:
            total = total + found[RECOGNITION]
        self._add_gradients(step, total / step.accumulate)
        return losses | {f"{name}/{_EPISODES}": loss for name, loss in found.items()}

    def after_step(
        self, step: Step, number: int, batch: Mapping[str, Windows], losses: Mapping[str, Tensor]
    ) -> None:
        if self.config.multitask:
            own = {name: loss for name, loss in losses.items() if "/" not in name}
            self.multitask.after_step(step, number, batch, own)

    def cosines(self, step: Step, batch: Mapping[str, Windows], *, wanted: bool) -> dict[str, float]:
        return self.multitask.cosines(step, batch, wanted=wanted)

    def losses(self, step: Step, number: int) -> dict[str, Tensor]:
        """The episodes' loss of each scenario, and of the router under ``RECOGNITION``."""
        rank = step.fabric.global_rank
        episodes = {name: self.draw(name, number, rank) for name in self.samplers}
        found = {}
        for name, one in episodes.items():
            tasks = SceneTasks(self.learner.scenes[name], one, torch.rand((), device=one.support_BT.device))
            found[name] = self.learner.algorithm.loss(tasks).mean()
        if self.recognizes is not None:
            found[RECOGNITION] = self.recognizes.loss(RouterTasks(step.model, episodes)).mean()
        return found

    def draw(self, name: str, number: int, rank: int = 0) -> Episodes:
        """A scenario's episodes of a batch: the same for the same seed, number and process."""
        sampler = self.samplers[name]
        seed = (self.seed + 7_919 * rank) * 1009 + list(self.samplers).index(name) + 500
        generator = step_generator(seed, number, sampler.row_M.device)
        return sampler.draw(self.config.tasks, generator)

    def _add_gradients(self, step: Step, total: Tensor) -> None:
        # Not backward(): parameters of a model on several devices would be averaged in the middle of it.
        modules = nn.ModuleList([step.model, self])
        parameters = [p for p in modules.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        found = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
        if step.fabric.world_size > 1:
            flat: object = step.fabric.all_reduce(torch.cat([g.flatten() for _, g in found]), reduce_op="mean")
            assert isinstance(flat, Tensor)
            pieces = flat.split([g.numel() for _, g in found])
            found = [(p, piece.view_as(p)) for (p, _), piece in zip(found, pieces, strict=True)]
        for parameter, gradient in found:
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient


def _sampler(context: ObjectiveContext, config: MetaConfig, name: str) -> EpisodeSampler:
    scenario, task = context.scenarios[name], context.model.main_task(name)
    events = scenario.events.to(context.model.device)
    reads = task.from_history and task.reads_past
    length = scenario.config.max_history if reads else 1
    if config.task == "user":
        return UserEpisodes(
            events, config.support, config.query, length, name, sequence=reads, seed=context.config.seed
        )
    return ScenarioEpisodes(events, config.support, config.query, length, name)
