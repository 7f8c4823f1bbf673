"""Teaching: old rows keep the scores that the old model gave them [DER, Buzzega et al., NeurIPS 2020, eq. 4].

What is remembered are scores and not a second model: of some replayed rows, before anything is learned. A task
that ranks is held to the distribution over items, by the Kullback-Leibler divergence as in [Learning without
Forgetting, Li and Hoiem, ECCV 2016]; one that judges rows to their log odds, by the squared difference.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.sampling import step_generator
from polyscene.data.shots import ShotSampler
from polyscene.model import PolysceneModel
from polyscene.tasks.task import PairTask
from polyscene.training.adapt.learn import apart
from polyscene.training.loading import LoadedScenario

_PORTION = 256
_ITEMS = 2_000
"""Items on whose scores a ranking task is held, at most."""


class Teacher:
    """Scores of an old model, and how far a model that learns has moved from them.

    Args:
        model: the old model, in eval mode.
        old: the scenario, whose labelled rows are the ones to remember.
        view: the ranking that is asked for.
        seed: of the items and of the order of rows.
        batch: rows of a step.
    """

    def __init__(self, model: PolysceneModel, old: LoadedScenario, *, view: str, seed: int, batch: int) -> None:
        self.model, self.name, self.view, self.seed, self.batch = model, old.scenario.name, view, seed, batch
        self.events = old.events.to(model.device)
        self.shots = ShotSampler(self.events, old.config.max_history)
        task = model.main_task(self.name)
        self.pairs = task if isinstance(task, PairTask) else None
        generator = torch.Generator().manual_seed(seed)
        n_items = model.n_items[self.name]
        self.item_C = torch.randperm(n_items, generator=generator)[:_ITEMS].sort().values.to(model.device)
        shots = torch.arange(self.shots.n_rows, device=model.device)
        with torch.no_grad():
            told = [self._scores(shot_B) for shot_B in shots.split(_PORTION)]
        self.score_S = torch.cat(told)

    def loss(self, step: int) -> Tensor:
        """The mean loss of some of the rows; the model is asked as it serves, without dropout."""
        generator = step_generator(self.seed, step, self.model.device)
        size = min(self.batch, len(self.score_S))
        shot_B = torch.randint(len(self.score_S), (size,), generator=generator, device=self.model.device)
        self.model.eval()
        now_B, then_B = self._scores(shot_B), self.score_S[shot_B]
        self.model.train()
        if self.pairs is not None:
            return functional.mse_loss(now_B, then_B)
        log_now_BC, log_then_BC = now_B.log_softmax(dim=1), then_B.log_softmax(dim=1)
        return functional.kl_div(log_now_BC, log_then_BC, log_target=True, reduction="batchmean")

    def _scores(self, shot_B: Tensor) -> Tensor:
        """Scores ``[B, C]`` of items, or log odds ``[B]`` of each row's own, after what came before the rows."""
        past, shot = apart(self.events, self.shots.windows(shot_B))
        catalogue = self.model.catalogue(self.name)
        h_Bd = self.model.user_states(self.name, past, catalogue)
        if self.pairs is not None:
            item_B = shot.item_BT[:, 0]
            return self.model.pair_logits(self.name, self.pairs, h_Bd, catalogue.take(item_B), item_B)
        return self.model.scores(self.name, h_Bd, catalogue.take(self.item_C), self.item_C, self.view)
