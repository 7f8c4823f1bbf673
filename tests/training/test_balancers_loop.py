"""Balancers in the loop: they wait for nothing, and their cosines are written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.errors import ConfigError
from polyscene.training.balancers import aggregated
from polyscene.training.balancers.gradient import GradientBalancer
from polyscene.training.fit import Progress, task_weights
from polyscene.training.run import train
from polyscene.training.step import Step
from tests.model.test_device_hygiene import DEVICE, draw, fake
from tests.tiny import FACTS, PEOPLE, SHOP, tiny_config, tiny_fitting, tiny_host, tiny_model
from tests.training.balancing import LOSS_BASED, balancer


@pytest.mark.parametrize("held", [("a", "b", "c"), ("a", "c")], ids=["all", "some"])
@pytest.mark.parametrize("name", [*LOSS_BASED, "gradnorm"])
def test_a_balancer_waits_for_nothing(name: str, held: tuple[str, ...]) -> None:
    """On fake tensors of another device, where every look at a value raises."""
    one = balancer(name, "abc").to(DEVICE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        losses = {key: torch.ones((), device=DEVICE, requires_grad=True) for key in held}
        one(losses).backward()
        losses_K = one.over_scenarios(losses)
        if name == "dwa":
            one.remember(losses_K)
        if name == "famo":
            one.learn(losses_K, losses_K)
        if name == "gradnorm":
            one.weigh(
                torch.eye(len(held), device=DEVICE), ["abc".index(key) for key in held], losses_K[: len(held)]
            )
            one.scale("c")


class OnDevice(GradientBalancer):
    """What all gradient balancers do on the device, without the weights that TorchJD finds on the host."""

    def weigh(self, gramian_KK: Tensor, held: Sequence[int], losses_K: Tensor) -> Tensor:
        return gramian_KK.diagonal()


def test_a_jacobian_and_a_second_look_wait_for_nothing() -> None:
    model, loaded, _ = tiny_model((SHOP, FACTS))
    batch: Mapping[str, Any] = {name: fake(windows) for name, windows in draw(loaded, model).items()}
    model.to(DEVICE).train()
    fabric: Any = SimpleNamespace(
        device=torch.device(DEVICE),
        world_size=1,
        global_rank=0,
        backward=lambda loss, **options: loss.backward(**options),
    )
    wrapped: Any = model
    step = Step(model, wrapped, fabric, task_weights(loaded.scenarios))
    one = OnDevice(None, [SHOP, "absent", FACTS])
    with FakeTensorMode(allow_non_fake_inputs=True):
        losses = one.backward(step, batch, last=True)
        assert all(p.grad is not None for p in step.model.sequence.parameters())
        assert step.losses_again(0, batch).keys() == losses.keys() == {SHOP, FACTS}


def test_the_check_itself_sees_a_balancer_that_waits() -> None:
    one = balancer("upgrad", "ab").to(DEVICE)
    with (
        pytest.raises(Exception, match=r"_local_scalar_dense|data-dependent|item|nonzero"),
        FakeTensorMode(allow_non_fake_inputs=True),
    ):
        one.weigh(torch.ones(2, 2, device=DEVICE), [0, 1], torch.ones(2, device=DEVICE))


@pytest.mark.parametrize(("choice", "steps"), [("balancer=pcgrad", 2), ("trainer.log_cosine=true", 2)])
def test_cosines_are_written_for_every_pair(choice: str, steps: int, tmp_path: Path) -> None:
    run = train(tiny_config(tmp_path / "run", (SHOP, PEOPLE), "trainer.steps=10", choice), tiny_host())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    cosines = [line for line in lines if line["metric"].startswith("cosine")]
    assert [(line["step"], line["scenario"], line["metric"]) for line in cosines] == [
        (5 * (number + 1), SHOP, f"cosine/{PEOPLE}") for number in range(steps)
    ]
    assert all(-1 <= line["value"] <= 1 for line in cosines)
    assert len({line["value"] for line in cosines}) == steps


def test_the_diagnostic_changes_no_training(tmp_path: Path) -> None:
    values: list[dict[str, float]] = []
    progress = Progress(metrics=lambda _, found: values.append(found))
    weights = []
    for choice in ("true", "false"):
        config = tiny_config("", (SHOP, PEOPLE), "trainer.steps=10", f"trainer.log_cosine={choice}")
        fitting = tiny_fitting(config, tmp_path / choice, progress)
        fitting.run()
        weights.append(fitting.model.state_dict())
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    assert [set(one) - set(other) for one, other in zip(values[:2], values[2:], strict=True)] == [
        {f"{SHOP}/cosine/{PEOPLE}"}
    ] * 2


def test_a_missing_package_is_said_before_data_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregated, "find_spec", lambda package: None if package == "cvxpy" else package)
    monkeypatch.setattr("polyscene.training.session.load_scenarios", lambda *_: pytest.fail("data was loaded"))
    with pytest.raises(ConfigError, match=r"balancer 'cagrad': it needs cvxpy, which is not installed"):
        train(tiny_config(tmp_path / "run", (SHOP,), "balancer=cagrad"), tiny_host())


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_half_precision_is_trained_and_evaluated(precision: str, tmp_path: Path) -> None:
    """Losses of a mixture of gradients are near those in full precision."""
    found = []
    for choice in (precision, "32-true"):
        run = tmp_path / choice
        few = ("trainer.steps=5", f"trainer.precision={choice}", "balancer=upgrad")
        train(tiny_config(run, (SHOP, FACTS), *few), tiny_host())
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        found.append({line["scenario"]: line["value"] for line in lines if line["metric"] == "loss"})
    assert found[0] == pytest.approx(found[1], rel=0.02)
    assert found[0] != found[1]
