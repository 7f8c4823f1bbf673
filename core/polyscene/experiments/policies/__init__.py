"""Policies: what to show of what the model ranks high, and with which probability it was shown.

No bandit library is used. mabwiser 2.7.4 (its last release is of August 2024) keeps a regression for each arm:
items are arms, nothing is learned about one from another, 100,000 of them with vectors of 64 numbers take more
than 6 GB, a new item starts from nothing, state is kept by pickle, and it gives no propensities. One linear model
over what a user state and an item vector have in common needs a few lines, knows new items by their vectors, and
its size does not depend on the number of items.
"""

from polyscene.experiments.policies.greedy import Epsilon, EpsilonConfig, Greedy
from polyscene.experiments.policies.linear import LinearConfig
from polyscene.experiments.policies.linucb import LinUcb, LinUcbConfig
from polyscene.experiments.policies.policy import Candidates, Chances, Choice, Policy, PolicyConfig, Rewards
from polyscene.experiments.policies.storage import build_policy, load_policy, save_policy
from polyscene.experiments.policies.thompson import Thompson, ThompsonConfig
from polyscene.registry.components import Component

COMPONENTS = [
    Component("policy", Greedy.name, Greedy, PolicyConfig),
    Component("policy", Epsilon.name, Epsilon, EpsilonConfig),
    Component("policy", Thompson.name, Thompson, ThompsonConfig),
    Component("policy", LinUcb.name, LinUcb, LinUcbConfig),
]

__all__ = [
    "COMPONENTS",
    "Candidates",
    "Chances",
    "Choice",
    "Epsilon",
    "EpsilonConfig",
    "Greedy",
    "LinUcb",
    "LinUcbConfig",
    "LinearConfig",
    "Policy",
    "PolicyConfig",
    "Rewards",
    "Thompson",
    "ThompsonConfig",
    "build_policy",
    "load_policy",
    "save_policy",
]
