"""Groups of keys on the command line, adapters of single scenarios, and parts that do not fit the width."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyscene.config.compose import compose, prepare_train
from polyscene.config.declared import adapter_of
from polyscene.config.plain import to_mapping
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import TrainConfig
from polyscene.errors import ConfigError
from polyscene.registry.host import Host, load_host
from tests.plugin_factory import install_plugin

TESTED_SPLIT = "scenario.video.split={name: random_per_user, test: 0.2}"


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def resolved(host: Host, *overrides: str) -> TrainConfig:
    return resolve_train(compose("train", ["scenario=[video,music]", *overrides], host), host)


def problems_of(host: Host, *overrides: str, sweep: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare_train(["scenario=[video,music]", *overrides], host, sweep=sweep)
    return [line.removeprefix("  - ") for line in caught.value.what.splitlines()[1:]]


@pytest.mark.parametrize(
    ("overrides", "test"),
    [
        ([TESTED_SPLIT], 0.2),
        ([TESTED_SPLIT, "scenario.video.split.test=0.3"], 0.3),
        (["scenario.video.split.test=0.3", TESTED_SPLIT], 0.2),
    ],
)
def test_a_group_of_keys_replaces_what_was_there(host: Host, overrides: list[str], test: float) -> None:
    config = resolved(host, *overrides)
    assert config.scenario["video"].split == {"name": "random_per_user", "test": test}


def test_a_group_of_keys_may_stand_for_a_file(host: Host) -> None:
    config = resolved(host, "adapter={name: bottleneck, rank: 4}")
    assert (config.adapter.name, config.adapter.options.rank) == ("bottleneck", 4)


def test_members_are_replaced_or_changed_one_by_one(host: Host) -> None:
    members = resolved(host, "adapter=fusion", "adapter.adapters={a: gate, b: film}").adapter.options.adapters
    assert {label: member.name for label, member in members.items()} == {"a": "gate", "b": "film"}
    members = resolved(host, "adapter=fusion", "adapter.adapters.behavior.rank=3").adapter.options.adapters
    assert [member.name for member in members.values()] == ["gate", "bottleneck"]
    assert members["behavior"].options.rank == 3


def test_groups_of_keys_can_be_swept(host: Host) -> None:
    line = "adapter={name: gate},{name: bottleneck, rank: 4}"
    checked, _ = prepare_train(["scenario=video", line, "seed=0,1"], host, sweep=True)
    assert checked.lines == ["scenario=video", "~adapter", f"++{line}", "seed=0,1"]
    assert len(checked.sweeps[0]) == 2
    [problem] = problems_of(host, "adapter=gate,{name: bottleneck, rank: 4}", sweep=True)
    assert problem.endswith("mixes names and groups of keys: write each as {name: NAME, option: value}")


def test_what_a_group_of_keys_says_is_checked(host: Host) -> None:
    found = problems_of(host, "scenario.video.split={name: random_per_usr, test: 0.2}", "adapter={name: gat}")
    assert len(found) == 2
    assert "did you mean 'random_per_user'?" in found[1]
    assert "did you mean 'gate'?" in found[0]


def test_a_scenario_may_have_an_adapter_of_its_own(host: Host) -> None:
    config = resolved(host, "adapter=film", "scenario.video.adapter={name: bottleneck, rank: 4}")
    chosen = {name: adapter_of(config, options, host) for name, options in config.scenario.items()}
    assert {name: choice.name for name, choice in chosen.items()} == {"video": "bottleneck", "music": "film"}
    assert chosen["video"].options.rank == 4
    # A name is written out with its options, and all comes back from the plain form.
    config = resolved(host, "scenario.video.adapter=fusion")
    plain = yaml.safe_load(yaml.safe_dump(to_mapping(config), sort_keys=False))
    assert plain["scenario"]["video"]["adapter"]["adapters"]["behavior"] == {"name": "bottleneck", "rank": 16}
    again = resolve_train(plain, host)
    assert again == config
    assert adapter_of(again, again.scenario["video"], host) == adapter_of(config, config.scenario["video"], host)


def test_built_in_scenarios_take_the_adapter_of_the_run(host: Host) -> None:
    assert all(scenario.config().adapter is None for scenario in host.scenarios.values())


def test_an_adapter_of_a_scenario_is_checked(host: Host) -> None:
    found = problems_of(
        host,
        "scenario.video.adapter={name: stack, adapters: {a: gat}}",
        "scenario.music.adapter={name: bottleneck, rnk: 4}",
    )
    assert len(found) == 2
    assert found[0].startswith("scenario.video.adapter.adapters.a: there is no adapter called 'gat': did you mean")
    assert found[1].startswith("there is no option 'scenario.music.adapter.rnk': did you mean 'rank'?")


WIDE = """
from dataclasses import dataclass

from polyscene import AdapterBank, Component, ConfigError, Scenario, hookimpl

POLYSCENE_API = "1.0"


@dataclass
class WideConfig:
    heads: int = 3


class Wide(AdapterBank):
    def __init__(self, config, d_model, n_scenarios):
        super().__init__(config, d_model, n_scenarios)
        if d_model % config.heads:
            raise ConfigError(f"{config.heads} heads do not divide {d_model}", where="adapter 'wide'", fix="use 2")

    def forward(self, h_Nd, routing):
        return h_Nd

    def scenario_parameters(self):
        return {}


class Odd(Wide):
    def __init__(self, config, d_model, n_scenarios):
        super().__init__(WideConfig(1), d_model, n_scenarios)
        import torch
        torch.ones(1).item()


def load(config, data):
    raise AssertionError("data is loaded last")


@hookimpl
def polyscene_scenarios():
    return [Scenario("wide_a", load), Scenario("wide_b", load)]


@hookimpl
def polyscene_components():
    return [Component("adapter", "wide", Wide, WideConfig), Component("adapter", "odd", Odd)]
"""


@pytest.fixture
def wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    install_plugin(tmp_path, "wide", WIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield load_host(allow=["wide"])
    del sys.modules["polyscene_wide"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["adapter=wide"],
        ["scenario.wide_a.adapter=wide"],
        ["scenario.wide_a.adapter=wide", "scenario.wide_b.adapter=wide"],
        ["adapter=stack", "adapter.adapters={a: gate, b: wide}"],
    ],
)
def test_an_adapter_that_does_not_fit_the_width_is_told_before_data_is_read(wide: Host, overrides) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_train(["scenario=[wide_a,wide_b]", *overrides], wide)
    assert caught.value.what == "1 problem\n  - adapter 'wide': 3 heads do not divide 64: use 2"
    prepare_train(["scenario=[wide_a,wide_b]", *overrides, "model.d_model=63", "sequence.heads=3"], wide)


def test_what_the_check_cannot_build_is_left_to_training(wide: Host) -> None:
    prepare_train(["scenario=wide_a", "adapter=odd"], wide)


@pytest.mark.parametrize("name", ["attention", "causal_transformer"])
def test_heads_that_do_not_divide_the_width(host: Host, name: str) -> None:
    [problem] = problems_of(host, f"sequence={name}", "sequence.heads=7")
    assert problem.startswith(f"sequence '{name}': 7 heads do not divide the width 64: change sequence.heads")


def test_an_unknown_scenario_is_one_complaint(wide: Host) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_train(["scenario=wide_c"], wide)
    assert caught.value.what.splitlines()[0] == "1 problem"
    assert "did you mean 'wide_b'?" in caught.value.what
