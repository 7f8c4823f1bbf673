"""Policies that learn: what they know is ridge regression, new items included, and it pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from polyscene.errors import CheckpointError, ConfigError, ExperimentError
from polyscene.experiments.policies import (
    COMPONENTS,
    Candidates,
    Epsilon,
    EpsilonConfig,
    LinUcb,
    LinUcbConfig,
    Policy,
    PolicyConfig,
    Rewards,
    Thompson,
    ThompsonConfig,
    build_policy,
    load_policy,
    save_policy,
)
from polyscene.registry.components import Registry

D = 4
REGISTRY = Registry(COMPONENTS)


def rewards(policy: Policy, found: Candidates, item_B: torch.Tensor, reward_B: torch.Tensor) -> Rewards:
    context = policy.choose(found, 1, 0).context
    assert context is not None
    assert found.vector_Kd is not None
    context_Bc = torch.tensor(context).expand(len(item_B), -1)
    return Rewards(context_Bc, found.vector_Kd[item_B], found.score_K[item_B], reward_B)


def world(seed: int, items: int = 12) -> Candidates:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((items,), (items, D), (D,))
    return Candidates(*(torch.randn(shape, generator=generator) for shape in shapes))


def test_what_is_known_is_ridge_regression_around_the_prior() -> None:
    policy, found = LinUcb(LinUcbConfig(l2=2.0, trust=0.5, epsilon=0, alpha=0), D), world(0)
    item_B = torch.arange(60) % 12
    reward_B = torch.rand(60, generator=torch.Generator().manual_seed(1))
    given = rewards(policy, found, item_B, reward_B)
    policy.learn(given)
    feature_Bf = policy.features(given.context_Bc, given.vector_Bd, given.score_B).numpy()
    prior_f = np.zeros(feature_Bf.shape[1])
    prior_f[1] = 0.5
    solved = np.linalg.lstsq(
        np.vstack([feature_Bf, 2.0**0.5 * np.eye(len(prior_f))]),
        np.concatenate([reward_B.double().numpy(), 2.0**0.5 * prior_f]),
        rcond=None,
    )[0]
    np.testing.assert_allclose(policy.mean_f.numpy(), solved, rtol=1e-8)


def test_before_any_reward_the_order_is_the_models() -> None:
    found = world(3)
    order = LinUcb(LinUcbConfig(epsilon=0, alpha=0), D).choose(found, 5, 0).order_k
    assert torch.equal(order, found.score_K.topk(5).indices)


def test_the_draws_are_those_of_the_posterior() -> None:
    policy, found = Thompson(ThompsonConfig(draws=4096, noise=0.7), D), world(4, items=3)
    policy.learn(rewards(policy, found, torch.tensor([0, 1, 1, 2]), torch.tensor([1.0, 0, 1, 0])))
    context = policy.context(found)
    value_SK = policy.values(found, context, torch.Generator().manual_seed(0))
    feature_Kf = policy.pool_features(found, context)
    covariance_KK = 0.49 * feature_Kf @ torch.linalg.inv(policy.gram_ff) @ feature_Kf.T
    torch.testing.assert_close(value_SK.T.cov(), covariance_KK, rtol=0.1, atol=0.02)
    torch.testing.assert_close(value_SK.mean(0), feature_Kf @ policy.mean_f, rtol=0, atol=0.05)


def test_a_new_item_is_known_by_its_vector() -> None:
    policy, found = LinUcb(LinUcbConfig(epsilon=0, alpha=0), D), world(5)
    item_B = torch.arange(120) % 12
    assert found.vector_Kd is not None
    good = found.vector_Kd[:, 0] > 0
    policy.learn(rewards(policy, found, item_B, good[item_B].float()))
    vector_Kd = torch.zeros(2, D)
    vector_Kd[0, 0], vector_Kd[1, 0] = -1.0, 1.0
    new = Candidates(torch.tensor([1.0, 0.9]), vector_Kd, found.user_d)
    assert policy.choose(new, 1, 0).order_k.tolist() == [1]


@pytest.mark.parametrize("make", [lambda: Thompson(ThompsonConfig(draws=8), D), lambda: LinUcb(LinUcbConfig(), D)])
def test_learning_pays(make) -> None:
    """The model's scores are noise; what is worth showing is learned from clicks on the first place."""
    generator = torch.Generator().manual_seed(6)
    weight_d = torch.tensor([2.0, -2, 1, 0])

    def clicks(policy: Policy) -> float:
        total = 0.0
        for step in range(120):
            found = world(1000 + step)
            choice = policy.choose(found, 1, step)
            assert found.vector_Kd is not None
            worth = torch.sigmoid(found.vector_Kd[choice.order_k[0]] @ weight_d - 2)
            click = float(torch.rand((), generator=generator) < worth)
            total += worth.item() * (step >= 60)
            if policy.reads_vectors:
                policy.learn(rewards(policy, found, choice.order_k[:1], torch.tensor([click])))
        return total / 60

    assert clicks(make()) > 1.5 * clicks(Epsilon(EpsilonConfig()))


def test_only_the_pool_is_shown() -> None:
    policy, found = Epsilon(EpsilonConfig(pool=4, epsilon=1.0)), world(7)
    best = set(found.score_K.topk(4).indices.tolist())
    shown = {item for seed in range(50) for item in policy.choose(found, 2, seed).order_k.tolist()}
    assert shown == best


@pytest.mark.parametrize("name", ["greedy", "thompson"])
def test_a_policy_in_files(name: str, tmp_path: Path) -> None:
    policy = build_policy(REGISTRY, name, {"pool": 7}, d=D)
    found = world(8)
    if policy.reads_vectors:
        policy.learn(rewards(policy, found, torch.arange(12), torch.ones(12)))
    save_policy(policy, tmp_path / "policy")
    again = load_policy(REGISTRY, tmp_path / "policy")
    assert again.config == policy.config
    for seed in range(5):
        one, other = (each.chances(found, 3, seed).chance_kP for each in (policy, again))
        assert torch.equal(one, other)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'thompson'"):
        build_policy(REGISTRY, "tompson")
    with pytest.raises(ConfigError, match="'epsilon' is 2"):
        build_policy(REGISTRY, "epsilon", {"epsilon": 2})
    with pytest.raises(CheckpointError, match="missing"):
        load_policy(REGISTRY, tmp_path)
    policy = LinUcb(LinUcbConfig(), D)
    with pytest.raises(ExperimentError, match="needs the user's state"):
        policy.choose(Candidates(torch.ones(3)), 1, 0)
    with pytest.raises(ExperimentError, match="not finite"):
        Candidates(torch.tensor([1.0, float("nan")]))
    with pytest.raises(ExperimentError, match="shapes"):
        Candidates(torch.ones(3), torch.ones(2, D), torch.ones(D))
    before = policy.gram_ff.clone()
    with pytest.raises(ExperimentError, match="rewards have the shapes"):
        policy.learn(Rewards(torch.ones(2, D), torch.ones(2, D), torch.ones(2), torch.ones(2)))
    assert torch.equal(policy.gram_ff, before)
    save_policy(policy, tmp_path)
    (tmp_path / "policy.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_policy(REGISTRY, tmp_path)


def test_equal_scores_and_equal_values_keep_a_list_whole() -> None:
    choice = Epsilon(EpsilonConfig(epsilon=0)).choose(Candidates(torch.ones(5)), 9, 0)
    assert sorted(choice.order_k.tolist()) == [0, 1, 2, 3, 4]
    assert PolicyConfig().pool == 100
