"""The training loop of a language model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from polyscene.backbone.pretraining import Corpus
from polyscene.backbone.pretraining.language_model import LanguageModel
from polyscene.config.pretrain import PretrainConfig
from polyscene.errors import PolysceneError
from polyscene.training.checkpoint import load_training, load_weights, save_training, unique_state
from polyscene.training.files import write_tensors
from polyscene.training.optimizer import build_optimizer, clip_gradients, learning_rate, set_learning_rate
from polyscene.training.repeatable import repeatable_attention
from polyscene.training.step import seed_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_MEASURED_TOKENS = 4096
"""Tokens of a batch of held-out texts."""
_BEST = "best.safetensors"


@dataclass
class State:
    """What is remembered besides weights and optimizer.

    Args:
        step: finished steps, those of the head alone included.
        curve: pairs of a step and the mean loss of held-out texts (nats per token that is asked for), the first
            before the body was touched.
        best: the least of these losses after it was.
    """

    step: int = 0
    curve: list[tuple[int, float]] = field(default_factory=list)
    best: float = math.inf


@dataclass
class LanguageFitting:
    """Trains a language model and leaves it in the state that guessed held-out texts best.

    A folder with an unfinished state is continued, and ends with the same numbers as if it had never stopped.

    Args:
        model: on the device.
        learned: texts that are trained on.
        held: texts that are measured.
        config: steps, rates and precision.
        fabric: devices.
        folder: where the state is kept.
        advance: told the number of finished steps.
    """

    model: LanguageModel
    learned: Corpus
    held: Corpus
    config: PretrainConfig
    fabric: Fabric
    folder: Path
    advance: Callable[[int], None] = lambda _: None

    def run(self) -> State:
        """Train until the last step."""
        trainer, fabric = self.config.trainer, self.fabric
        head_steps = self.config.head_steps if self.model.new_head else 0
        plain_optimizer = build_optimizer(self.model, trainer)
        facts = load_training(self.folder, {"model": self.model}, plain_optimizer) or {}
        state = State(**facts)
        self.advance(state.step)
        wrapped, optimizer = fabric.setup(self.model, plain_optimizer)
        body = self.model.body_parameters()
        while state.step < head_steps + trainer.steps:
            if state.step == head_steps and not state.curve:
                state.curve.append((state.step, self._measured()))
            self.model.head_only = state.step < head_steps
            rate = learning_rate(state.step - head_steps, trainer)
            set_learning_rate(optimizer, self.config.head_lr if self.model.head_only else rate)
            wrapped.train()
            for place in range(trainer.accumulate):
                number = state.step * trainer.accumulate + place
                seed_step(self.config.seed, number, fabric.global_rank)
                own = number * fabric.world_size + fabric.global_rank
                batch = self.learned.draw(own, trainer.batch_rows, self.config.seed)
                with fabric.no_backward_sync(wrapped, enabled=place + 1 < trainer.accumulate):
                    with repeatable_attention(fabric.device):
                        loss = wrapped(*batch.to(fabric.device))
                    fabric.backward(loss / trainer.accumulate)
            if self.model.head_only:
                for parameter in body:  # the head's last layer is the table of input embeddings
                    parameter.grad = None
            if trainer.clip > 0:
                clip_gradients(fabric, plain_optimizer, None, trainer.clip)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.step += 1
            self.advance(state.step)
            done = state.step - head_steps
            if done > 0 and (done % trainer.eval_every == 0 or done == trainer.steps):
                self._keep(state, plain_optimizer)
        load_weights(self.folder / _BEST, self.model)
        return state

    def _keep(self, state: State, optimizer: torch.optim.Optimizer) -> None:
        loss = self._measured()
        state.curve.append((state.step, loss))
        if not math.isfinite(loss):
            raise PolysceneError(
                f"the loss is not a number after step {state.step}",
                where=str(self.folder),
                fix="lower trainer.lr, or set trainer.precision=32-true",
            )
        if self.fabric.is_global_zero:
            if loss < state.best:
                write_tensors(self.folder / _BEST, unique_state(self.model))
            state.best = min(state.best, loss)
            save_training(self.folder, {"model": self.model}, optimizer, vars(state))
        self.fabric.barrier()

    @torch.inference_mode()
    def _measured(self) -> float:
        """Mean loss over the places of all held-out texts; which places never changes."""
        self.model.eval()
        head_only, self.model.head_only = self.model.head_only, False
        total, count = torch.zeros((), device=self.fabric.device), 0
        for batch in self.held.every(_MEASURED_TOKENS, self.config.seed):
            places = len(batch.label_M)
            if places:
                with self.fabric.autocast():
                    total += self.model(*batch.to(self.fabric.device)) * places
                count += places
        self.model.head_only = head_only
        return total.item() / max(1, count)
