"""Balancers of losses: what they make of losses by hand, of some of the scenarios, and beside TorchJD's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchjd import scalarization

from polyscene.errors import ConfigError
from polyscene.training.balancers import COMPONENTS, Balancer
from tests.training.balancing import GRADIENT_BASED, LOSS_BASED, balancer, gradients, losses, silent_step

ABC = ("a", "b", "c")
NAN = float("nan")


def test_every_balancer_is_tested() -> None:
    assert {component.name for component in COMPONENTS} == {*LOSS_BASED, *GRADIENT_BASED}


@pytest.mark.parametrize("name", ["mean", "uncertainty", "dwa", "imtl_l", *GRADIENT_BASED])
def test_it_starts_as_the_plain_mean(name: str) -> None:
    found = losses(a=1.0, b=5.0, c=3.0)
    assert balancer(name, ABC)(found).item() == pytest.approx(3.0)
    assert gradients(balancer(name, ABC), found) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("name", ["mean", "uncertainty", "dwa", "imtl_l", *GRADIENT_BASED])
def test_scenarios_that_a_step_does_not_hold_do_not_count(name: str) -> None:
    assert gradients(balancer(name, (*ABC, "absent")), losses(a=1.0, c=5.0)) == pytest.approx([1 / 2] * 2)


@pytest.mark.parametrize("name", LOSS_BASED)
def test_some_scenarios_are_balanced_as_if_there_were_no_others(name: str) -> None:
    some, alone = balancer(name, ABC), balancer(name, ("a", "c"))
    found = losses(a=1.5, c=0.5)
    torch.manual_seed(0)
    one = gradients(some, found)
    torch.manual_seed(0)
    assert one == pytest.approx(gradients(alone, found))


def test_uncertainty_by_hand() -> None:
    """exp(-s) L + s at s = (log 2, 0): 4/2 + log 2 and 3."""
    one = balancer("uncertainty", ABC)
    with torch.no_grad():
        one.s_K.copy_(torch.tensor([math.log(2), 0.0, 7.0]))
    found = losses(a=4.0, b=3.0)
    total = one(found)
    assert total.item() == pytest.approx((2 + math.log(2) + 3) / 2)
    total.backward()
    assert one.s_K.grad.tolist() == pytest.approx([(1 - 2) / 2, (1 - 3) / 2, 0.0])


def test_imtl_l_by_hand() -> None:
    """exp(s) L - s at s = (log 2, 0): 8 - log 2 and 3."""
    one = balancer("imtl_l", ABC)
    with torch.no_grad():
        one.s_K.copy_(torch.tensor([math.log(2), 0.0, 7.0]))
    total = one(losses(a=4.0, b=3.0))
    assert total.item() == pytest.approx((8 - math.log(2) + 3) / 2)
    total.backward()
    assert one.s_K.grad.tolist() == pytest.approx([(8 - 1) / 2, (3 - 1) / 2, 0.0])


def test_geometric_by_hand() -> None:
    """The cube root of 1 * 2 * 4 is 2, and each loss counts as 2 / (3 L)."""
    found = losses(a=1.0, b=2.0, c=4.0)
    assert balancer("geometric", ABC)(found).item() == pytest.approx(2.0)
    assert gradients(balancer("geometric", ABC), found) == pytest.approx([2 / 3, 1 / 3, 1 / 6])
    assert all(math.isfinite(g) for g in gradients(balancer("geometric", ABC), losses(a=0.0, b=2.0)))


def test_stch_by_hand() -> None:
    """log(e^0 + e^(log 3)) = log 4, of which the larger loss has three quarters."""
    found = losses(a=1.0, b=1.0 + 0.5 * math.log(3))
    one = balancer("stch", ABC, mu=0.5, ideal=1.0)
    assert one(found).item() == pytest.approx(0.5 * math.log(4))
    assert gradients(one, found) == pytest.approx([1 / 4, 3 / 4])


def test_random_weights_are_a_mixture_and_change() -> None:
    one, found = balancer("random", ABC), losses(a=1.0, b=2.0, c=3.0)
    draws = [gradients(one, found) for _ in range(3)]
    assert all(sum(draw) == pytest.approx(1) and min(draw) > 0 for draw in draws)
    assert draws[0] != draws[1] != draws[2]


def test_dwa_by_hand() -> None:
    """Two stretches of two batches: a falls from 4 to 2, b stays, c is not seen in the second; T = 2."""
    one = balancer("dwa", ABC, every=2)
    for batch in ([3.0, 1.0, 5.0], [5.0, 1.0, NAN], [2.0, 1.0, NAN]):
        one.remember(torch.tensor(batch))
    assert gradients(one, losses(a=1.0, b=1.0, c=1.0)) == pytest.approx([1 / 3] * 3)
    one.remember(torch.tensor([2.0, 1.0, NAN]))
    assert one.newer_K.tolist() == [2.0, 1.0, 5.0]
    assert one.older_K.tolist()[:2] == [4.0, 1.0]
    weights = torch.tensor([0.5, 1.0, 1.0]).div(2).softmax(dim=0).tolist()
    assert gradients(one, losses(a=1.0, b=1.0, c=1.0)) == pytest.approx(weights)


def test_famo_by_hand() -> None:
    """At equal logits each loss counts as (1 / L_k) / sum (1 / L); the one that fell less gets a larger logit."""
    one = balancer("famo", ABC)
    assert gradients(one, losses(a=1.0, b=4.0)) == pytest.approx([4 / 5, 1 / 5])
    one.learn(torch.tensor([1.0, 1.0, NAN]), torch.tensor([0.5, 1.0, NAN]))
    # Adam's first step is the learning rate, against the sign of z_k (d_k - z d).
    assert one.logit_K.tolist() == pytest.approx([-0.025, 0.025, 0.0], rel=1e-4)
    assert one.updates_K.tolist() == [1, 1, 0]


SCALARIZERS = {  # TorchJD's, and by what its scalar is a multiple of ours
    "uncertainty": (lambda: scalarization.UW(3), 3 / 2),
    "imtl_l": (lambda: scalarization.IMTLL(3), 3.0),
    "dwa": (lambda: scalarization.DWA(2.0), 3.0),
    "famo": (lambda: scalarization.FAMO(3), 1.0),
    "geometric": (scalarization.GeometricMean, 1.0),
    "random": (scalarization.Random, 1.0),
    "stch": (lambda: scalarization.STCH(mu=0.5, weights=torch.ones(3)), 1.0),
}


@pytest.mark.parametrize("name", SCALARIZERS)
def test_it_weighs_as_torchjd_does_over_several_steps(name: str) -> None:
    """With its parameters trained by SGD, its history rolled and its logits moved as TorchJD's are."""
    make, multiple = SCALARIZERS[name]
    theirs = make()
    ours = balancer(name, ABC, **({"every": 1} if name == "dwa" else {"mu": 0.5} if name == "stch" else {}))
    rates = [(list(m.parameters()), lr) for m, lr in ((ours, 0.1 * multiple), (theirs, 0.1)) if name != "famo"]
    optimizers = [torch.optim.SGD(parameters, lr) for parameters, lr in rates if parameters]
    generator = torch.Generator().manual_seed(1)
    for number in range(6):
        values = torch.rand(3, generator=generator) + 0.2
        pair = [balanced(one, values, number) for one in (ours, theirs)]
        assert pair[0] == pytest.approx([weight / multiple for weight in pair[1]], rel=1e-5)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        after = values * torch.rand(3, generator=generator)
        if name == "dwa":
            ours.remember(values)
            theirs.step()
        if name == "famo":
            ours.learn(values, after)
            theirs.update(after)


def balanced(one: torch.nn.Module, values: Tensor, seed: int) -> list[float]:
    """Gradient of each loss; that of parameters stays where it is."""
    leaf = values.clone().requires_grad_()
    torch.manual_seed(seed)
    of = dict(zip(ABC, leaf, strict=True)) if isinstance(one, Balancer) else leaf
    one(of).backward()
    return leaf.grad.tolist()


def test_looking_at_a_batch_again_changes_nothing_but_what_was_learned() -> None:
    step, sampler = silent_step(("shop", "facts"), "adapter=star")
    step.wrapped.train()
    batch = sampler.draw(0)
    before = {name: tensor.clone() for name, tensor in step.model.state_dict().items()}
    one, same = (step.losses_again(3, batch) for _ in range(2))
    other = step.losses_again(4, batch)
    assert one == same
    assert one["shop"] != other["shop"]  # other dropout
    assert all(torch.equal(before[name], tensor) for name, tensor in step.model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("stch", {"mu": 0.0}),
        ("dwa", {"temperature": 0.0}),
        ("dwa", {"every": 0}),
        ("famo", {"lr": -1.0}),
        ("mgda", {"epsilon": 0.0}),
        ("cagrad", {"c": -0.1}),
        ("nash", {"iterations": 0}),
        ("gradvac", {"beta": 1.5}),
        ("gradnorm", {"alpha": -1.0}),
    ],
)
def test_an_option_out_of_bounds_is_named(name: str, options: dict[str, float]) -> None:
    (key,) = options
    with pytest.raises(ConfigError, match=rf"balancer '{name}': {key} is") as caught:
        balancer(name, ABC, **options)
    assert "use " in str(caught.value)
