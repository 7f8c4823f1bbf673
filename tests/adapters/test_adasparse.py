"""AdaSparse: its formula, what is pruned, and how steepness grows."""

from __future__ import annotations

import pytest
import torch

from polyscene.adapters.adasparse import AdaSparse, AdaSparseConfig
from polyscene.adapters.bank import Routing
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

D, K = 4, 3
INDEX = torch.tensor([2, 0, 2, 0, 0])
H = torch.randn(5, D, generator=torch.Generator().manual_seed(0))


def make(**options) -> AdaSparse:
    bank = AdaSparse(AdaSparseConfig(dimensions=2, hidden=3, **options), D, K)
    randomize(bank)
    return bank


def test_formula():
    bank = make(layers=2, alpha_start=1.5, epsilon=0.5).eval()
    expected, pruned = [], 0
    for h, k in zip(H, INDEX, strict=True):
        inputs = []
        x = h
        for number, pruner in enumerate(bank.pruners):
            x = bank.layers[number - 1](x).relu() if number else x
            factor = 2 * torch.sigmoid(1.5 * pruner(torch.cat([bank.scenario_Ke[k], x])))
            pruned += int((factor < 0.5).sum())
            x = torch.where(factor < 0.5, 0.0, factor) * x
            inputs.append(x)
        expected.append(inputs[0] + bank.out(inputs[-1]))
    assert pruned > 0
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected))


def test_steepness_grows_in_training_for_the_scenarios_that_are_there():
    bank = make(anneal=4)
    for _ in range(2):
        bank(H, Routing(index_N=INDEX))
    bank(H, Routing(weights_NK=torch.eye(K)[INDEX]))
    assert bank.steps_K.tolist() == [3, 0, 3]
    bank.eval()(H, Routing(index_N=INDEX))
    assert bank.steps_K.tolist() == [3, 0, 3]
    assert "steps_K" in bank.state_dict()
    bank.grow()
    assert bank.steps_K.tolist() == [3, 0, 3, 0]


def test_steepness_moves_evenly_from_start_to_end_and_stays():
    bank = make(anneal=2, alpha_start=1.0, alpha_end=5.0).eval()
    twins = {}
    for steps in (0, 1, 2, 9):
        bank.steps_K.fill_(steps)
        twins[steps] = bank(H, Routing(index_N=INDEX))
    for steps, alpha in ((0, 1.0), (1, 3.0), (2, 5.0), (9, 5.0)):
        fixed = make(alpha_start=alpha, alpha_end=alpha).eval()
        torch.testing.assert_close(twins[steps], fixed(H, Routing(index_N=INDEX)))


def test_another_beta_starts_as_one_function_that_is_not_the_identity():
    bank = AdaSparse(AdaSparseConfig(beta=1.0), D, K).eval()
    assert not bank.starts_as_identity
    assert torch.equal(bank(H, Routing(index_N=INDEX)), H / 2)


@pytest.mark.parametrize("options", [{"epsilon": 1.0}, {"beta": 0.0}, {"alpha_end": 0.05}, {"anneal": 0}])
def test_options_are_checked(options):
    with pytest.raises(ConfigError, match="use "):
        AdaSparseConfig(**options)
