"""Adding a scenario to a trained model, for every adapter kind: what others get stays what it was, bit for bit."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from polyscene.adapters import COMPONENTS
from polyscene.config.adapt import LearnConfig
from polyscene.config.choice import chosen
from polyscene.config.schema import TrainConfig
from polyscene.data.windows import take_windows
from polyscene.model import PolysceneModel
from polyscene.priors.mixture import PriorMixture
from polyscene.testing.state import randomize
from polyscene.training.adapt.learn import learn
from polyscene.training.adapt.model import _start_from_others, grown_model
from polyscene.training.adapt.owned import Owned
from polyscene.training.adapt.save import merged_state
from polyscene.training.adapt.start import Start
from polyscene.training.assembly import build_model
from polyscene.training.checkpoint import load_state, shared_facts, unique_state
from polyscene.training.loading import Loaded, with_draw
from tests.tiny import ADS, FACTS, LIKES, PEOPLE, SHOP, tiny_config, tiny_host, tiny_session

BASE = (SHOP, FACTS)
KINDS = [component.name for component in COMPONENTS]
QUICK = LearnConfig(steps=2, lr=0.05, weight_decay=0.5)
PAIRS = {"tasks": [{"name": "click", "options": {"head": "mlp", "hidden": 8}}]}


def grow(
    start: Start, config: TrainConfig, everything: Loaded, name: str
) -> tuple[PolysceneModel, Start, PolysceneModel]:
    """A trained model with one scenario more, which it then learned: alone, as files say it, and whole again.

    The scenario's data in ``everything`` becomes what was learned from.
    """
    session = tiny_session(config)
    one = replace(with_draw(everything.scenarios[name], 20, 0), config=config.scenario[name])
    model, learned, inherited = grown_model(session, start, one, seed=1)
    learn(model, one, QUICK, owned=Owned(model, name, inherited), seed=0, rows=64)
    state = {key: tensor.detach().clone() for key, tensor in merged_state(start, model).items()}
    facts = {**start.shared, **shared_facts(model)}
    after = Start(Path(), "joint", config, {**start.learned, name: learned}, state, facts)
    scenarios = {key: everything.scenarios[key] for key in start.learned} | {name: one}
    assert isinstance(everything.scenarios, dict)
    everything.scenarios[name] = one
    whole, _ = build_model(session, replace(everything, scenarios=scenarios), fitted=after.learned)
    load_state(state, whole, where="test")
    return model, after, whole.eval()


def trained(config: TrainConfig, everything: Loaded) -> tuple[PolysceneModel, Start]:
    """A model of the base scenarios with weights of any size, and the same as files say it."""
    base = replace(everything, scenarios={name: everything.scenarios[name] for name in BASE})
    model, learned = build_model(tiny_session(config), base)
    randomize(model)
    state = {key: tensor.detach().clone() for key, tensor in unique_state(model).items()}
    return model.eval(), Start(Path(), "joint", config, learned, state, shared_facts(model))


@torch.inference_mode()
def outputs(model: PolysceneModel, everything: Loaded, name: str) -> Tensor:
    """Scores of a scenario's whole catalogue for some of its users."""
    events = everything.scenarios[name].events
    user_B = (events.start_UP[:, 1] > events.start_UP[:, 0]).nonzero().squeeze(1)[:6]
    start_B = events.start_UP[user_B, 0]
    length = everything.scenarios[name].config.max_history if model.main_task(name).from_history else 1
    windows = take_windows(
        events, user_B, start_B, torch.minimum(start_B + length, events.start_UP[user_B, 1]), length
    )
    catalogue = model.catalogue(name)
    h_Bd = model.user_states(name, windows, catalogue)
    return model.scores(name, h_Bd, catalogue.all(), torch.arange(events.n_items), "all")


@functools.cache
def config_of_all() -> TrainConfig:
    """All scenarios; composing takes longer than the rest of a test."""
    # ADS judges pairs through a bank that no scenario before it needs.
    return tiny_config("", (*BASE, PEOPLE, LIKES, ADS), "router=recognition", **{ADS: PAIRS})


def configs(adapter: str, *added: str, **own: str) -> list[TrainConfig]:
    """The config of the base, and of each run with one scenario more; ``own`` are adapters of scenarios."""
    whole = config_of_all()
    options = {name: replace(one, adapter=own.get(name)) for name, one in whole.scenario.items()}
    return [
        replace(
            whole,
            adapter=chosen("adapter", adapter, tiny_host()),
            scenario={name: options[name] for name in (*BASE, *added[:count])},
            adapted=list(added[:count]),
        )
        for count in range(len(added) + 1)
    ]


@pytest.fixture
def everything(loaded_once: Loaded) -> Loaded:
    return replace(loaded_once, scenarios=dict(loaded_once.scenarios))


@pytest.fixture(scope="module")
def loaded_once() -> Loaded:
    return tiny_session(config_of_all()).load()


@pytest.mark.parametrize("kind", KINDS)
def test_what_others_get_is_bit_equal(kind: str, everything: Loaded) -> None:
    added = (PEOPLE, ADS) if kind in {"gate", "m3oe", "adaptdhm"} else (ADS,)
    first, *more = configs(kind, *added)
    model, start = trained(first, everything)
    before = {name: outputs(model, everything, name) for name in BASE}
    for config, name in zip(more, added, strict=True):
        alone, start, model = grow(start, config, everything, name)
        for other, expected in before.items():
            assert torch.equal(outputs(model, everything, other), expected), other
        # The part of the model that was trained is the same in the whole.
        own = outputs(alone, everything, name)
        assert torch.equal(outputs(model, everything, name), own)
        before[name] = own


def test_a_scenario_may_have_an_adapter_of_another_kind(everything: Loaded) -> None:
    first, *more = configs("gate", PEOPLE, LIKES, people="film", likes="star")
    model, start = trained(first, everything)
    before = {name: outputs(model, everything, name) for name in BASE}
    for config, name in zip(more, (PEOPLE, LIKES), strict=True):
        _, start, model = grow(start, config, everything, name)
        assert all(torch.equal(outputs(model, everything, other), value) for other, value in before.items())
    assert [type(bank).__name__ for bank, _ in model.user_bank.uniform()] == ["Gate", "Film", "Star"]


def test_ids_that_others_have_are_copied_and_go_their_own_way(everything: Loaded) -> None:
    first, second = configs("gate", PEOPLE)
    _, start = trained(first, everything)
    alone, *_ = grow(start, second, everything, PEOPLE)
    spaces = dict(alone.shared.modules_by_key.items())
    [key] = [key for key in spaces if key.endswith(f"-of-{PEOPLE}")]
    own, others = (
        spaces[key].get_parameter("vector_Md"),
        spaces[key.partition("-of-")[0]].get_parameter("vector_Md"),
    )
    assert own.shape == others.shape  # people are the shop's people
    assert not torch.equal(own, others)
    assert torch.equal(others, start.state[f"shared.modules_by_key.{key.partition('-of-')[0]}.vector_Md"])


def test_what_a_scenario_shares_by_name_starts_at_the_mean(everything: Loaded) -> None:
    first, second = configs("gate", LIKES)
    _, start = trained(first, everything)
    model, *_ = grown_model(tiny_session(second), start, with_draw(everything.scenarios[LIKES], 20, 0), seed=1)
    key = "norms.item_id-id.weight"
    others = torch.stack([start.state[f"items.{name}.{key}"] for name in BASE])
    assert torch.equal(model.items[LIKES].get_parameter(key), others.mean(0))
    assert torch.equal(
        model.tasks[LIKES].get_parameter("ranking.log_scale"), start.state["tasks.shop.ranking.log_scale"]
    )


def test_gates_start_at_the_mean_of_the_others_whatever_their_views(everything: Loaded) -> None:
    first, second = configs("gate", LIKES)
    _, start = trained(first, everything)
    model, *_ = grown_model(tiny_session(second), start, with_draw(everything.scenarios[LIKES], 20, 0), seed=1)
    gates = {SHOP: torch.randn(2, 1, 2), FACTS: torch.randn(2, 3, 2)}
    state = {f"priors.{name}.gate_2VE.network": gate_2VE for name, gate_2VE in gates.items()}
    state[f"priors.{SHOP}.weight_2VE.popularity"] = torch.ones(2, 2, 2)
    mixture = model.priors[LIKES] = PriorMixture({}, everything.scenarios[LIKES].events, ["new", "all"])
    _start_from_others(model, LIKES, replace(start, state=state))
    expected_2E = (gates[SHOP][:, 0] + gates[FACTS].mean(1)) / 2
    for place in range(2):
        torch.testing.assert_close(mixture.gate_2VE["network"][:, place], expected_2E)
    assert not mixture.weight_2VE["popularity"].any()  # counts of a few rows mean something else
