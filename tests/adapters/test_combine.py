"""Adapters made of others: against their formula, on members of every sort, and chosen by a config."""

from __future__ import annotations

import pytest
import torch
import yaml
from torch.nn.functional import layer_norm

from polyscene.adapters import COMPONENTS, Routing
from polyscene.adapters.combine import CombinedConfig
from polyscene.adapters.fusion import FusionConfig
from polyscene.config.choice import chosen
from polyscene.config.plain import to_mapping
from polyscene.errors import ConfigError
from polyscene.registry.host import load_host
from polyscene.testing import AdapterSuite
from polyscene.testing.state import randomize

HOST = load_host(no_plugins=True)
K, D = 3, 8
INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, D, generator=torch.Generator().manual_seed(0))
TWO = {"a": "gate", "b": {"name": "bottleneck", "rank": 2}}
# A function of h that is not h, experts that all scenarios share, clusters that count while training.
MIXED = {"a": {"name": "gate", "activation": "gelu"}, "b": "mmoe", "c": "adaptdhm"}
ALL = ["stack", "parallel", "fusion"]


def choice_of(name, adapters, **options):
    return chosen("adapter", {"name": name, "adapters": adapters, **options}, HOST, where="adapter")


def make(name, adapters=TWO, **options):
    bank = choice_of(name, adapters, **options).build(d_model=D, n_scenarios=K)
    randomize(bank)
    return bank.eval()


def by_members(bank):
    """The members' outputs ``[M, N, d]`` for H."""
    return torch.stack([member(H, Routing(index_N=INDEX)) for member in bank.banks()])


def test_stack_formula():
    bank = make("stack")
    first, second = bank.banks()
    expected = second(first(H, Routing(index_N=INDEX)), Routing(index_N=INDEX))
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), expected)


def test_parallel_formula():
    bank = make("parallel")
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), by_members(bank).sum(0) - H)


def test_fusion_formula():
    bank, rank = make("fusion", rank=4), 4
    out_MNd, expected = by_members(bank), []
    for n, k in enumerate(INDEX):
        query_r = layer_norm(H[n], (D,)) @ bank.query_Kdr[k]
        keys_Mr = layer_norm(out_MNd[:, n], (D,)) @ bank.key_Krd[k].T
        weight_M = (keys_Mr @ query_r / rank**0.5).softmax(0)
        expected.append(H[n] + bank.value_Kd[k] * (weight_M @ (out_MNd[:, n] - H[n])))
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected))


def test_fusion_starts_as_the_mean_of_its_members():
    torch.manual_seed(0)
    bank = choice_of("fusion", MIXED).build(d_model=D, n_scenarios=K).eval()
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), by_members(bank).mean(0))


class TestMembersOfEverySort(AdapterSuite):
    """The invariants run over all combinations, with their default members."""

    component = next(one for one in COMPONENTS if one.name == "fusion")

    def config(self):
        return choice_of("fusion", MIXED).options


@pytest.mark.parametrize("name", ALL)
def test_growth_reaches_members_and_their_own_way_of_growing(name):
    bank = make(name, {"a": "m3oe", "b": "gate"})
    before = bank(H, Routing(index_N=INDEX))
    bank.grow()
    assert torch.equal(bank(H, Routing(index_N=INDEX)), before)
    assert [member.n_scenarios for member in bank.banks()] == [K + 1, K + 1]
    assert bank.banks()[0].heard_K.tolist() == [K, K, K, K + 1]


def test_combinations_may_hold_combinations():
    bank = make("fusion", {"a": {"name": "stack", "adapters": TWO}, "b": "id_feature"})
    assert bank(H, Routing(index_N=INDEX)).shape == H.shape
    assert bank.parameters_per_scenario() == D * (2 * 16 + 1) + D + 2 * 2 * D + 16


@pytest.mark.parametrize("label", ["items", "training", "a.b", "forward"])
def test_a_label_may_be_any_word(label):
    assert make("stack", {label: "gate"})(H, Routing(index_N=INDEX)).shape == H.shape


def test_all_problems_of_members_at_once():
    adapters = {"a": "gat", "b": {"name": "bottleneck", "rnk": 3}, "c": {"name": "gate", "activation": "relu"}}
    with pytest.raises(ConfigError) as caught:
        choice_of("fusion", adapters | {"d": None}, rank="x")
    lines = caught.value.what.splitlines()
    assert lines[0] == "5 problems"
    for expected in (
        "adapter.adapters.a: there is no adapter called 'gat': did you mean 'gate'?",
        "there is no option 'adapter.adapters.b.rnk': did you mean 'rank'?",
        "adapter.adapters.c: adapter 'gate': activation is 'relu'",
        "'adapter.adapters.d' names no adapter",
        "'adapter.rank' is 'x' (str); a whole number is expected",
    ):
        assert any(expected in line for line in lines), expected


@pytest.mark.parametrize(
    ("adapters", "said"),
    [({}, "'adapters' names no adapter; give one or more"), (["gate"], "a group of keys is expected")],
)
@pytest.mark.parametrize("name", ALL)
def test_members_are_asked_for(name, adapters, said):
    with pytest.raises(ConfigError, match=said.replace("'", ".")):
        choice_of(name, adapters)


def test_fusion_checks_its_own_options():
    with pytest.raises(ConfigError, match="rank is 0"):
        FusionConfig(rank=0)


@pytest.mark.parametrize("name", ALL)
def test_the_plain_form_comes_back_in_its_order(name):
    choice = choice_of(name, {"z": "gate", "a": {"name": "stack", "adapters": TWO}})
    plain = yaml.safe_load(yaml.safe_dump(to_mapping(choice), sort_keys=False))
    again = chosen("adapter", plain, HOST)
    assert again == choice
    assert list(again.options.adapters) == ["z", "a"]
    assert isinstance(again.options, CombinedConfig)
