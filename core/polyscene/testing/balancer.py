"""What must hold for every balancer: finite weights, absent scenarios, training that goes on where it stopped."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.config.choice import Choice
from polyscene.testing import shops
from polyscene.testing.runs import host_of, short_config
from polyscene.testing.state import DEVICE, randomize, round_trip, snapshot
from polyscene.testing.suite import ComponentSuite
from polyscene.training.assembly import build_model
from polyscene.training.balancers.balancer import Balancer
from polyscene.training.devices import launch_fabric
from polyscene.training.files import read_tensors
from polyscene.training.fit import Fitting, Progress
from polyscene.training.loading import Loaded
from polyscene.training.session import Session

ABC: tuple[str, ...] = ("a", "b", "c")
# Losses of ordinary steps, very small ones, very different ones, and of a scenario that has learned all there is.
LOSSES = ((1.0, 5.0, 3.0), (1e-6, 2e-6, 1e-6), (1e-4, 1e4, 1.0), (0.0, 1.0, 2.0))


class BalancerSuite(ComponentSuite):
    """Tests of a balancer: on losses of three scenarios, and in a training of two small generated ones.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.training.balancers.mean import MeanBalancer
        >>> class TestMean(BalancerSuite):
        ...     component = Component("balancer", "mean", MeanBalancer)
    """

    kind = "balancer"

    def balancer(self, names: Sequence[str] = ABC) -> Balancer:
        """A fresh balancer of some scenarios."""
        torch.manual_seed(0)
        return self.made(names=list(names))

    def weights(self, of: Balancer, losses: Mapping[str, float]) -> list[float]:
        """How much each loss counts in the scalar that the balancer makes of them."""
        leaves = {name: torch.tensor(value, requires_grad=True) for name, value in losses.items()}
        total = of(leaves)
        assert total.shape == (), f"the balanced loss is {tuple(total.shape)}; it must be one number"
        assert total.isfinite(), "the balanced loss is not finite"
        return [float(weight) for weight in torch.autograd.grad(total, list(leaves.values()))]

    @pytest.mark.parametrize("losses", LOSSES, ids=str)
    def test_every_scenario_counts_and_none_is_unlearned(self, losses: Sequence[float]) -> None:
        weights = self.weights(self.balancer(), dict(zip(ABC, losses, strict=True)))
        assert all(math.isfinite(weight) for weight in weights), f"weights {weights} of losses {losses}"
        assert min(weights) >= 0, f"weights {weights}: a negative one teaches a scenario to get worse"
        assert sum(weights) > 0, "nothing is learned"

    @pytest.mark.parametrize("held", [("a",), ("c", "a")], ids=str)
    def test_a_step_may_hold_some_of_the_scenarios(self, held: tuple[str, ...]) -> None:
        weights = self.weights(self.balancer(), dict.fromkeys(held, 2.0))
        assert all(weight > 0 for weight in weights), f"weights {weights} of a step that holds {held}"

    def test_its_state_is_saved(self, tmp_path: Path) -> None:
        one, other = self.balancer(), self.balancer()
        randomize(one)
        if one.state_dict():
            round_trip(one, other, tmp_path / "balancer.safetensors")
        losses = dict.fromkeys(ABC, 2.0)
        torch.manual_seed(1)
        first = self.weights(one, losses)
        torch.manual_seed(1)
        assert self.weights(other, losses) == first, "a balancer from a checkpoint weighs in another way"

    def test_a_step_waits_for_no_device(self) -> None:
        one = self.balancer().to(DEVICE)
        with FakeTensorMode(allow_non_fake_inputs=True):
            losses = {name: torch.ones((), device=DEVICE, requires_grad=True) for name in ABC}
            total = one(losses)
            total.backward()
        assert total.device.type == DEVICE

    def test_training_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        """Bit for bit, though it was killed between two checkpoints and a step holds two of the scenarios only."""
        whole = self.training(tmp_path / "whole")
        before = snapshot(whole.model)
        whole.run()
        after = whole.model.state_dict()
        assert any(not torch.equal(value, after[name]) for name, value in before.items()), "nothing is learned"
        assert all(parameter.isfinite().all() for parameter in whole.model.parameters()), "a weight is not finite"
        with pytest.raises(_Killed):
            self.training(tmp_path / "stopped", killed_at=3).run()
        self.training(tmp_path / "stopped").run()
        once, twice = (read_tensors(tmp_path / run / "training-4.safetensors") for run in ("whole", "stopped"))
        assert once.keys() == twice.keys()
        apart = [
            name for name, tensor in once.items() if not tensor.equal(twice[name]) and not tensor.isnan().any()
        ]
        assert not apart, f"{', '.join(apart)} differ: what a balancer remembers must be parameters and buffers"

    def training(self, folder: Path, killed_at: int = 0) -> Fitting:
        """A training of four steps with checkpoints after the second and the last, not yet begun."""

        def step(number: int) -> None:
            if killed_at and number == killed_at:
                raise _Killed

        shop, loaded = _shops()
        choice = Choice(self.component.name, self.config(), self.component)
        session = shop.under(replace(shop.config, balancer=choice))
        model, learned = build_model(session, loaded)
        return Fitting(
            model,
            learned,
            session.config,
            loaded.scenarios,
            {name: session.subject(name, one) for name, one in loaded.scenarios.items()},
            launch_fabric(session.config.trainer),
            folder,
            Progress(step=step),
            session.config.trainer.batch_rows,
        )


@functools.cache
def _shops() -> tuple[Session, Loaded]:
    """Three generated scenarios of which a step holds two."""
    host = host_of(shops)
    few = ("trainer.patience=0", "trainer.max_scenarios_per_step=2")
    session = Session(
        short_config(host, {name: {} for name in shops.NAMES}, *few), host, torch.device("cpu"), lambda _: None
    )
    return session, session.load()


class _Killed(BaseException):
    """Stands for the end of the process."""
