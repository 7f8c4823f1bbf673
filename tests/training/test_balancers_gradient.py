"""Balancers of gradients: exact Jacobians, TorchJD's own route, what is shared, conflicts that are resolved."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torchjd import aggregation
from torchjd.autojac import jac_to_grad, mtl_backward

from polyscene.errors import ConfigError
from polyscene.training.balancers import aggregated
from polyscene.training.balancers.cosine import Cosines, gradient_cosines
from polyscene.training.balancers.gradient import GradientBalancer
from polyscene.training.balancers.jacobian import Jacobian
from polyscene.training.step import Step, seed_step
from tests.tiny import ALL, FACTS, SHOP
from tests.training.balancing import AGGREGATED, balancer, silent_step, step_gradients

# TorchJD's aggregators as a user would make them for three scenarios, and which of them add up the gradients.
THEIRS = {
    "pcgrad": aggregation.PCGrad,
    "cagrad": lambda: aggregation.CAGrad(c=0.5),
    "mgda": aggregation.MGDA,
    "nash": lambda: aggregation.NashMTL(3, max_norm=0.0),
    "aligned_mtl": aggregation.AlignedMTL,
    "imtl_g": aggregation.IMTLG,
    "gradvac": aggregation.GradVac,
    "upgrad": aggregation.UPGrad,
}
SUMS = ("pcgrad", "nash", "gradvac")


class Plain(GradientBalancer):
    """A mixture that is the plain mean."""

    def weigh(self, gramian_KK: Tensor, held: Sequence[int], losses_K: Tensor) -> Tensor:
        return torch.full((len(held),), 1 / len(held))


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


PARTS = [("gate", "causal_transformer"), ("star", "gru"), ("mmoe", "attention")]


@pytest.mark.parametrize(("adapter", "sequence"), PARTS)
def test_the_jacobian_is_that_of_one_backward_pass_per_scenario(adapter: str, sequence: str) -> None:
    """Through the graph that all rows have in common, to 1e-5 of its largest number."""
    step, sampler = silent_step(ALL, f"adapter={adapter}", f"sequence={sequence}")
    batch = sampler.draw(0)
    shared = step.model.shared_parameters()
    torch.manual_seed(0)  # candidates are drawn in one task
    losses = step.losses(batch)
    jacobian = Jacobian(step.model)
    for name, windows in batch.items():
        torch.manual_seed(0)
        with jacobian.row(name, share=0.25):
            (0.25 * step.own_losses({name: windows})[name]).backward()
    rows = jacobian.stacked(list(batch))
    for row, (name, loss) in zip(rows, losses.items(), strict=True):
        found = torch.autograd.grad(loss, list(shared.values()), retain_graph=True, materialize_grads=True)
        expected = torch.cat([gradient.flatten() for gradient in found])
        assert float((row - expected).abs().max()) <= 1e-5 * float(expected.abs().max()), name
    assert rows.abs().sum(dim=1).count_nonzero() >= 4  # triples make their own query


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("subset", [None, 2], ids=["all scenarios", "two in a batch"])
def test_equal_weights_are_the_mean_balancer(accumulate: int, subset: int | None) -> None:
    """Own parameters in any case, shared ones where every batch holds the same scenarios."""
    limit = f"trainer.max_scenarios_per_step={subset or 'null'}"
    step, sampler = silent_step(ALL, "adapter=star", limit, accumulate=accumulate)
    batches = [sampler.draw(number) for number in range(accumulate)]
    assert all(len(batch) == (subset or len(ALL)) for batch in batches)
    mean = step_gradients(balancer("mean"), step, batches)
    ours = step_gradients(Plain(None, list(ALL)), step, batches)
    shared = step.model.shared_parameters()
    if len({tuple(batch) for batch in batches}) > 1:
        mean, ours = ({k: g for k, g in of.items() if k not in shared} for of in (mean, ours))
    else:
        ours = {name: gradient for name, gradient in ours.items() if name in mean or gradient.any()}
    assert_same(ours, mean)


def test_what_is_shared_is_found() -> None:
    """A space of ids that two scenarios use, not those of one; the sequence model; experts, not slices."""
    model = silent_step(ALL, "adapter=ple")[0].model
    shared = {id(parameter) for parameter in model.shared_parameters().values()}
    spaces = {
        name: id(p) in shared for name, p in model.shared.named_parameters() if "vector" in name and "id-" in name
    }
    assert [name for name, is_shared in spaces.items() if is_shared] == ["modules_by_key.id-tiny_person.vector_Md"]
    assert len(spaces) > 3
    assert all(id(parameter) in shared for parameter in model.sequence.parameters())
    for bank in (model.user_bank, model.item_bank):
        assert bank.shared_parameters()
        assert all(id(parameter) in shared for parameter in bank.shared_parameters().values())
        assert not any(id(parameter) in shared for parameter in bank.scenario_parameters().values())
    for parts in (model.tasks, model.events):
        assert not any(id(parameter) in shared for parameter in parts.parameters())
    model.sequence.requires_grad_(requires_grad=False)
    assert not any(name.startswith("sequence") for name in model.shared_parameters())


class Toy(nn.Module):
    """A trunk that scenarios share and a head for each, with the engine's interface."""

    device = torch.device("cpu")

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.trunk = nn.Linear(5, 4)
        self.heads = nn.ModuleDict({name: nn.Linear(4, 1) for name in names})

    def shared_parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.trunk.named_parameters())

    def features(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        return {name: self.trunk(rows.x_B5).tanh() for name, rows in batch.items()}

    def forward(self, batch: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
        return {
            name: {"task": (self.heads[name](h_B4) - batch[name].y_B1).square()}
            for name, h_B4 in self.features(batch).items()
        }


def toy(names: str, seed: int = 0) -> tuple[Toy, Step, dict[str, Any]]:
    """A toy, its step and a batch of 8 rows for each scenario."""
    model = Toy(names, seed)
    fabric: Any = Fabric(accelerator="cpu", devices=1)
    rows = {
        name: SimpleNamespace(
            x_B5=torch.randn(8, 5), y_B1=3 * torch.randn(8, 1), learned_BT=torch.ones(8, 1, dtype=torch.bool)
        )
        for name in names
    }
    weights = {name: {"task": 1.0} for name in names}
    return model, Step(model, fabric.setup_module(model), fabric, weights), rows  # type: ignore[arg-type]


@pytest.mark.parametrize("name", AGGREGATED)
def test_it_is_torchjds_own_route(name: str) -> None:
    """``mtl_backward`` and ``jac_to_grad`` over several steps; heads are not mixed."""
    model, step, _ = toy("abc")
    ours, theirs = balancer(name, "abc"), THEIRS[name]()
    for number in range(4):
        batch = toy("abc", seed=number)[2]
        model.zero_grad()
        features = model.features(batch)
        losses = [(model.heads[key](features[key]) - batch[key].y_B1).square().mean() for key in "abc"]
        mtl_backward(losses, features=list(features.values()))
        # Theirs is as long in every step, ours as long as the gradients are.
        length = (
            sum(float(p.jac.square().sum()) for p in model.trunk.parameters()) ** 0.5 if name == "nash" else 1.0
        )
        seed_step(0, 0)
        jac_to_grad(model.trunk.parameters(), theirs)
        times = length / 3 if name in SUMS else 1.0
        shared = {key: times * p.grad for key, p in model.trunk.named_parameters()}
        heads = {key: p.grad / 3 for key, p in model.heads.named_parameters()}
        found = step_gradients(ours, step, [batch])
        assert_same({key: found[f"trunk.{key}"] for key in shared}, shared)
        assert_same({key: found[f"heads.{key}"] for key in heads}, heads)


@pytest.mark.parametrize("seed", range(5))
def test_upgrad_raises_no_loss_where_the_mean_does(seed: int) -> None:
    """To first order, up to the solver's regularization; with a conflict in each case."""
    model, step, batch = toy("ab", seed)
    with torch.no_grad():  # on the same rows one wants nearly the opposite of the other, three times as much
        batch["b"].x_B5 = batch["a"].x_B5
        model.heads["b"].load_state_dict(model.heads["a"].state_dict())
        guess_B1 = model.heads["a"](model.features(batch)["a"])
        batch["b"].y_B1 = guess_B1 - 3 * (batch["a"].y_B1 - guess_B1) + torch.randn(8, 1)
    J_KP = rows_of(step, batch)
    assert J_KP[0] @ J_KP[1] < 0
    falls = {}
    for name in ("mean", "upgrad", "mgda", "nash"):
        found = step_gradients(balancer(name, "ab"), step, [batch])
        falls[name] = (J_KP @ torch.cat([found[f"trunk.{key}"].flatten() for key in ("weight", "bias")])).tolist()
    assert min(falls["mean"]) < 0
    tolerance = 1e-3 * float((J_KP @ J_KP.T).trace())
    assert all(min(falls[name]) > -tolerance for name in ("upgrad", "mgda", "nash")), falls


def test_without_conflict_nothing_is_changed() -> None:
    gramian_KK = torch.diag(torch.tensor([1.0, 4.0, 0.25]))
    for name in ("upgrad", "pcgrad", "gradvac"):
        weights = balancer(name, "abc").weigh(gramian_KK, [0, 1, 2], torch.ones(3))
        torch.testing.assert_close(weights, torch.full((3,), 1 / 3), msg=name)


@pytest.mark.parametrize("name", AGGREGATED)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_gradients_does_not_matter(name: str, scale: float) -> None:
    """Small gradients late in training, and those that mixed precision has multiplied."""
    J_KP = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    weights = []
    for factor in (1.0, scale):
        torch.manual_seed(0)
        rows = factor * J_KP
        weights.append(balancer(name, "abc").weigh(rows @ rows.T, [0, 1, 2], torch.ones(3)))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", AGGREGATED)
def test_a_scenario_that_reaches_nothing_shared_has_no_say(name: str) -> None:
    """Two scenarios are mixed as without a third whose gradient is 0, in the mean of three."""
    J_KP = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 1.0, 0.5]])
    two = J_KP[[0, 2]]
    torch.manual_seed(0)
    three = balancer(name, "abc").weigh(J_KP @ J_KP.T, [0, 1, 2], torch.ones(3)) @ J_KP
    torch.manual_seed(0)
    without = balancer(name, "ac").weigh(two @ two.T, [0, 1], torch.ones(2)) @ two
    torch.testing.assert_close(three, without * 2 / 3)


@pytest.mark.parametrize("name", AGGREGATED)
def test_gradients_that_are_not_numbers_are_left_to_the_loop(name: str) -> None:
    gramian_KK = torch.eye(3).index_fill(0, torch.tensor([1]), float("nan"))
    assert balancer(name, "abc").weigh(gramian_KK, [0, 1, 2], torch.ones(3)).tolist() == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("name", ["gradvac", "nash", "gradnorm"])
def test_what_is_remembered_of_absent_scenarios_stays(name: str) -> None:
    one = balancer(name, "abcd")
    J_KP = torch.randn(4, 6, generator=torch.Generator().manual_seed(5))
    one.weigh(J_KP @ J_KP.T, [0, 1, 2, 3], torch.tensor([1.0, 2.0, 3.0, 4.0]))
    before = {key: tensor.clone() for key, tensor in one.state_dict().items()}
    rows = J_KP[[0, 3]] + 0.5
    one.weigh(rows @ rows.T, [0, 3], torch.tensor([0.5, 3.0]))
    moved = 0
    for key, tensor in one.state_dict().items():
        absent = tensor[1:3, 1:3] if tensor.ndim == 2 else tensor[1:3]
        assert torch.equal(absent, before[key][1:3, 1:3] if tensor.ndim == 2 else before[key][1:3]), key
        moved += not torch.equal(tensor, before[key])
    assert moved


def test_gradnorm_by_hand() -> None:
    """Norms 3 and 1 with mean 2; the losses have fallen to 1/2 and all of their first ones: r = 2/3, 4/3."""
    one = balancer("gradnorm", "ab", alpha=1.0, lr=0.1)
    gramian_KK = torch.diag(torch.tensor([9.0, 1.0]))
    one.first_K.copy_(torch.tensor([2.0, 5.0]))
    assert one.weigh(gramian_KK, [0, 1], torch.tensor([1.0, 5.0])).tolist() == [0.5, 0.5]
    # Targets 4/3 and 8/3: the first is too long and falls by 0.1 * 3/2, the second rises by 0.1 * 1/2.
    moved = torch.tensor([1 - 0.15, 1 + 0.05])
    assert one.weight_K.tolist() == pytest.approx((2 * moved / moved.sum()).tolist())
    assert float(one.scale("b")) == pytest.approx(float(one.weight_K[1]))


def test_gradnorm_brings_gradients_to_one_length() -> None:
    _, step, batch = toy("ab")
    one = balancer("gradnorm", "ab", alpha=0.0)
    batch["b"].y_B1 *= 10
    norms = rows_of(step, batch).norm(dim=1)
    assert norms[1] > 1.5 * norms[0]
    for _ in range(80):
        step_gradients(one, step, [batch])
    weighted = (one.weight_K * norms).tolist()
    assert weighted[0] == pytest.approx(weighted[1], rel=0.2)


def rows_of(step: Step, batch: dict[str, Any]) -> Tensor:
    jacobian = Jacobian(step.model)
    for name in batch:
        with jacobian.row(name):
            step.own_losses({name: batch[name]})[name].backward()
    return jacobian.stacked(list(batch))


def test_one_scenario_alone_is_trained_as_by_the_mean() -> None:
    step, sampler = silent_step((SHOP,))
    batch = sampler.draw(0)
    assert_same(
        step_gradients(balancer("upgrad", (SHOP,)), step, [batch]),
        step_gradients(balancer("mean", (SHOP,)), step, [batch]),
    )


def test_the_routers_loss_is_added_and_not_mixed() -> None:
    """With a router that moves the shared model, equal weights are still the mean balancer."""
    step, sampler = silent_step(ALL, "router=recognition", "router.detach=false")
    batch = sampler.draw(0)
    mean = step_gradients(balancer("mean"), step, [batch])
    ours = step_gradients(Plain(None, list(ALL)), step, [batch])
    assert_same({name: gradient for name, gradient in ours.items() if name in mean or gradient.any()}, mean)


def test_cosines_by_hand() -> None:
    one = Cosines()
    one.add(["a", "b", "c"], torch.tensor([[4.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 0.0]]))
    one.add(["a", "b"], torch.tensor([[1.0, -3.0], [-3.0, 9.0]]))
    assert one.take() == {"a/cosine/b": pytest.approx((0.5 - 1) / 2)}
    assert one.take() == {}


def test_cosines_are_those_of_the_jacobian_and_leave_nothing_behind() -> None:
    step, sampler = silent_step(ALL)
    batch = sampler.draw(0)
    before = {name: tensor.clone() for name, tensor in step.model.state_dict().items()}
    step.wrapped.train()
    torch.manual_seed(0)
    found = gradient_cosines(step, batch)
    assert all(parameter.grad is None for parameter in step.model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in step.model.state_dict().items())
    torch.manual_seed(0)
    rows = dict(zip(batch, nn.functional.normalize(rows_of(step, batch)), strict=True))
    reaching = [name for name in ALL if name != FACTS]  # triples make their own query
    assert set(found) == {f"{a}/cosine/{b}" for i, a in enumerate(reaching) for b in reaching[i + 1 :]}
    for key, value in found.items():
        a, _, b = key.split("/")
        assert value == pytest.approx(float(rows[a] @ rows[b]), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "missing"), [("cagrad", ("cvxpy", "clarabel")), ("nash", ("ecos",)), ("upgrad", ("quadprog",))]
)
def test_a_package_that_is_not_installed_is_named(
    name: str, missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = aggregated.find_spec
    monkeypatch.setattr(aggregated, "find_spec", lambda package: None if package in missing else real(package))
    with pytest.raises(ConfigError, match=rf"balancer '{name}': it needs {' and '.join(missing)}") as caught:
        balancer(name)
    assert "pip install" in str(caught.value)
