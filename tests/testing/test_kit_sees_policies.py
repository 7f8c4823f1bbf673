"""The suite of policies: each check fails on a policy that is broken in the way that it is there to find."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from polyscene.experiments.policies import Epsilon, EpsilonConfig, LinUcb, LinUcbConfig
from polyscene.registry.components import Component
from polyscene.testing import PolicySuite, suite_of


class Secretive(Epsilon):
    """Turns every other list around and does not say so."""

    def choose(self, candidates, k, seed):
        choice = super().choose(candidates, k, seed)
        if seed % 2:
            return choice
        chances = self.chances(candidates, k, seed)
        turned_k = chances.at_P.flip(0)[: len(choice.order_k)]
        last_k = chances.chance_kP.flip(1).diagonal()[: len(turned_k)]
        return dataclasses.replace(choice, order_k=turned_k, propensity_k=last_k)


class Halving(Epsilon):
    """Gives half of the chances."""

    def _chances(self, at_P, top_Sk):
        found = super()._chances(at_P, top_Sk)
        return dataclasses.replace(found, chance_kP=found.chance_kP / 2)


class Moody(Epsilon):
    """Draws random numbers that no seed governs."""

    def values(self, pool, context, generator):
        return torch.rand(1, len(pool.score_K))


class Positional(Epsilon):
    """Prefers what was given first."""

    def choose(self, candidates, k, seed):
        return super().choose(
            dataclasses.replace(candidates, score_K=-torch.arange(len(candidates.score_K))), k, seed
        )

    def chances(self, candidates, k, seed):
        score_K = -torch.arange(len(candidates.score_K)).float()
        return super().chances(dataclasses.replace(candidates, score_K=score_K), k, seed)


class Counting(LinUcb):
    """Takes choosing for learning."""

    def choose(self, candidates, k, seed):
        self.count += 1
        return super().choose(candidates, k, seed)


class Forgetful(LinUcb):
    """Keeps what it learned where no file holds it."""

    def learn(self, rewards):
        feature_Bf = self.features(rewards.context_Bc, rewards.vector_Bd, rewards.score_B)
        self.mean_f = self.mean_f + feature_Bf.T @ rewards.reward_B.double()


class Deaf(LinUcb):
    """Does not learn."""

    def learn(self, rewards):
        pass


class Hasty(LinUcb):
    """Remembers the last part only."""

    def learn(self, rewards):
        self.sum_f.zero_()
        super().learn(rewards)


@pytest.mark.parametrize(
    ("policy", "check", "message"),
    [
        (Secretive, "test_propensities_are_those_of_what_happens", "more or less often than its chance"),
        (Halving, "test_chances_are_probabilities", "do not sum to 1"),
        (Moody, "test_the_same_seed_gives_the_same_list", "a list differs from itself"),
        (Positional, "test_the_order_of_candidates_does_not_matter", "change with the order"),
        (Counting, "test_choosing_changes_nothing", "choosing moved 'count'"),
        (Forgetful, "test_state_is_all_it_knows", "keep what was learned in buffers"),
        (Deaf, "test_rewards_move_the_order", "the only item with rewards"),
        (Hasty, "test_rewards_may_come_in_parts", "'sum_f' depends on the order"),
    ],
)
def test_a_broken_policy_is_found(policy: type, check: str, message: str, tmp_path: Path) -> None:
    config = LinUcbConfig if issubclass(policy, LinUcb) else EpsilonConfig
    suite = suite_of(Component("policy", policy.__name__.lower(), policy, config))()
    assert isinstance(suite, PolicySuite)
    arguments = [tmp_path] if check == "test_state_is_all_it_knows" else []
    with pytest.raises(AssertionError, match=message):
        getattr(suite, check)(*arguments)
