"""What must hold for every policy: propensities are what happens, state is all there is, rewards count."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from polyscene.experiments.policies.policy import Candidates, Choice, Policy, Rewards
from polyscene.testing.state import assert_same, round_trip
from polyscene.testing.suite import ComponentSuite

WIDTH, ITEMS, PLACES, LISTS = 4, 6, 3, 300


class PolicySuite(ComponentSuite):
    """Tests of a policy on six candidates, of which it shows three.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.experiments.policies import Epsilon, EpsilonConfig
        >>> class TestEpsilon(PolicySuite):
        ...     component = Component("policy", "epsilon", Epsilon, EpsilonConfig)
    """

    kind = "policy"
    tolerance: ClassVar[float] = 0.13
    """How far frequencies over 300 lists may lie from probabilities: four and a half standard deviations."""

    def policy(self) -> Policy:
        """One that has learned nothing."""
        return self.made(d=WIDTH)

    def candidates(self, seed: int = 0, items: int = ITEMS) -> Candidates:
        """Random scores, vectors and a state."""
        generator = torch.Generator().manual_seed(seed)
        score_K, vector_Kd, user_d = (
            torch.randn(shape, generator=generator) for shape in ((items,), (items, WIDTH), (WIDTH,))
        )
        return Candidates(score_K, vector_Kd, user_d)

    def rewards(self, policy: Policy, good: int, count: int = 400) -> Rewards:
        """Every candidate shown, and only the one called ``good`` rewarded."""
        found, choice = self.candidates(), policy.choose(self.candidates(), ITEMS, 0)
        assert found.vector_Kd is not None, "the suite's candidates have vectors"
        assert choice.context is not None, "a policy that learns must say what to log (Policy.context)"
        item_B = torch.arange(count) % ITEMS
        context_Bc = torch.tensor(choice.context).expand(count, -1)
        return Rewards(context_Bc, found.vector_Kd[item_B], found.score_K[item_B], (item_B == good).float())

    def test_a_list_holds_different_candidates(self) -> None:
        policy = self.policy()
        for items in (0, 1, 2, ITEMS):
            choice = policy.choose(self.candidates(items=items), PLACES, seed=1)
            order = choice.order_k.tolist()
            assert len(set(order)) == len(order) == min(items, PLACES), f"of {items} candidates it shows {order}"
            assert set(order) <= set(range(items))
            assert len(choice.propensity_k) == len(order)

    def test_the_same_seed_gives_the_same_list(self) -> None:
        policy = self.policy()
        for seed in range(20):
            one, other = (policy.choose(self.candidates(), PLACES, seed) for _ in range(2))
            _assert_equal(one, other, "chosen twice with one seed; take random numbers from the generator only")

    def test_chances_are_probabilities(self) -> None:
        chances = self.policy().chances(self.candidates(), PLACES, seed=1)
        assert (chances.chance_kP >= 0).all(), "a probability is negative"
        assert_same(
            chances.chance_kP.sum(1), torch.ones(PLACES).double(), "a place's probabilities do not sum to 1"
        )
        assert (chances.chance_kP.sum(0) <= 1 + 1e-9).all(), "an item is on the list more than once"

    def test_propensities_are_those_of_what_happens(self) -> None:
        policy, found = self.policy(), self.candidates()
        often_kK, chance_kK = (torch.zeros(PLACES, ITEMS, dtype=torch.float64) for _ in range(2))
        for seed in range(LISTS):
            choice, chances = policy.choose(found, PLACES, seed), policy.chances(found, PLACES, seed)
            own_kK = torch.zeros(PLACES, ITEMS, dtype=torch.float64)
            own_kK[:, chances.at_P] = chances.chance_kP
            shown_k = own_kK.gather(1, choice.order_k.unsqueeze(1)).squeeze(1)
            same = torch.equal(choice.propensity_k, shown_k)
            assert same, "choose and chances give the same list different probabilities"
            often_kK[torch.arange(PLACES), choice.order_k] += 1 / LISTS
            chance_kK += own_kK / LISTS
        far = float((often_kK - chance_kK).abs().max())
        assert far <= self.tolerance, f"an item is at a place {far:.3f} more or less often than its chance"

    def test_the_order_of_candidates_does_not_matter(self) -> None:
        policy, found = self.policy(), self.candidates()
        turned = found.taken(torch.arange(ITEMS).flip(0))
        one, other = (policy.chances(each, PLACES, seed=3) for each in (found, turned))
        there_P = (ITEMS - 1 - other.at_P).argsort()
        here_P = one.at_P.argsort()
        why = "probabilities change with the order in which candidates are given"
        assert_same(one.chance_kP[:, here_P], other.chance_kP[:, there_P], why)

    def test_choosing_changes_nothing(self) -> None:
        policy = self.policy()
        before = {name: value.clone() for name, value in policy.state_dict().items()}
        policy.choose(self.candidates(), PLACES, seed=1)
        for name, value in policy.state_dict().items():
            assert torch.equal(value, before[name]), f"choosing moved '{name}'; only rewards may"

    def test_state_is_all_it_knows(self, tmp_path: Path) -> None:
        policy, again = self.policy(), self.policy()
        if policy.reads_vectors:
            policy.learn(self.rewards(policy, good=2))
        if policy.state_dict():
            round_trip(policy, again, tmp_path / "policy.safetensors")
        for seed in range(20):
            one, other = (each.choose(self.candidates(), PLACES, seed) for each in (policy, again))
            _assert_equal(one, other, "saved and loaded; keep what was learned in buffers")

    def test_rewards_move_the_order(self) -> None:
        if not self.policy().reads_vectors:
            return
        for good in range(ITEMS):
            policy = self.policy()
            before = self.first(policy)[good]
            policy.learn(self.rewards(policy, good))
            after_K = self.first(policy)
            # Whoever is first nearly always cannot become more so.
            assert after_K[good] > 0.5 and (after_K[good] > before or before > 0.5), (  # noqa: PT018
                f"the only item with rewards is first in {after_K[good]:.2f} of lists"
            )

    def test_rewards_may_come_in_parts(self) -> None:
        if not self.policy().reads_vectors:
            return
        whole, parts = self.policy(), self.policy()
        rewards = self.rewards(whole, good=1)
        whole.learn(rewards)
        fields = (rewards.context_Bc, rewards.vector_Bd, rewards.score_B, rewards.reward_B)
        for part_P in torch.arange(len(rewards.reward_B)).flip(0).split(37):
            parts.learn(Rewards(*(one[part_P] for one in fields)))
        for name, value in whole.state_dict().items():
            assert_same(parts.state_dict()[name], value, f"'{name}' depends on the order or the parts of rewards")

    def first(self, policy: Policy) -> Tensor:
        """Probability of each candidate at the first place, the mean of a few seeds."""
        first_K = torch.zeros(ITEMS, dtype=torch.float64)
        for seed in range(10):
            chances = policy.chances(self.candidates(), PLACES, seed)
            first_K[chances.at_P] += chances.chance_kP[0] / 10
        return first_K


def _assert_equal(one: Choice, other: Choice, why: str) -> None:
    same = torch.equal(one.order_k, other.order_k) and torch.equal(one.propensity_k, other.propensity_k)
    assert same, f"a list differs from itself: {why}"
    assert one.context == other.context, f"a context differs from itself: {why}"
