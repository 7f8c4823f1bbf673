"""Discovery, duplicates, the allow-list and lookup by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from polyscene.errors import ConfigError, PluginError
from polyscene.registry.host import ALLOW_VARIABLE, load_host
from tests.plugin_factory import GOOD

Install = Callable[..., str]
BUILT_IN = ["ecommerce", "kg", "music", "social", "video"]


def test_the_five_built_in_plugins_come_by_entry_points() -> None:
    host = load_host()
    assert host.registry.names("encoder")
    own = [record for record in host.records if record.distribution == "polyscene"]
    assert [(record.name, record.status, record.reason) for record in own] == [(n, "active", "") for n in BUILT_IN]
    assert set(BUILT_IN) <= set(host.scenarios)
    assert {path for _, path in host.config_paths()} >= {f"pkg://polyscene_{name}.conf" for name in BUILT_IN}


@pytest.mark.parametrize("only", BUILT_IN)
def test_each_built_in_plugin_works_alone(only: str) -> None:
    host = load_host(allow=[only])
    assert host.registry.names("encoder")
    assert list(host.scenarios) == [only]


def test_a_strangers_plugin_cannot_take_a_built_in_scenario(install: Install) -> None:
    install("aaa", GOOD.format(scenario="video"), distribution="aaa-plugins")  # sorts before polyscene
    host = load_host(allow=["aaa", "video"])
    assert host.providers["video"] == "video"
    assert [record.status for record in host.records if record.name == "aaa"] == ["broken"]


def test_two_distributions_cannot_use_the_same_plugin_name(install: Install) -> None:
    install("twin", GOOD.format(scenario="podcast"), distribution="polyscene-x")
    install("twin", GOOD.format(scenario="radio"), distribution="polyscene-y")
    records = [record for record in load_host(allow=["twin"]).records if record.name == "twin"]
    assert [record.status for record in records] == ["active", "broken"]
    assert "already taken by polyscene-x 0.2.0" in records[1].reason


def test_the_allow_list_keeps_others_from_being_imported(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("podcast", GOOD.format(scenario="podcast"))
    install("bomb", "raise SystemError('imported')\n")
    monkeypatch.setenv(ALLOW_VARIABLE, "podcast, kg")
    host = load_host()
    assert sorted(host.scenarios) == ["kg", "podcast"]
    [bomb] = [record for record in host.records if record.name == "bomb"]
    assert bomb.status == "disabled"
    with pytest.raises(PluginError, match=r"plugin 'video' \(polyscene .*\) is disabled: it is not on the list"):
        host.scenario("video")


def test_no_plugins() -> None:
    host = load_host(no_plugins=True)
    assert host.scenarios == {}
    assert host.config_paths() == []
    assert {record.status for record in host.records} == {"disabled"}
    assert "gate" in host.registry.names("adapter")


def test_the_environment_can_ask_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_VARIABLE, "none")
    assert load_host().scenarios == {}


def test_an_unknown_name_on_the_allow_list() -> None:
    with pytest.raises(PluginError, match="no plugin is called 'vido'\ndid you mean 'video'"):
        load_host(allow=["vido"])


def test_unknown_names_are_answered_with_a_hint() -> None:
    host = load_host(allow=["video"])
    with pytest.raises(ConfigError, match="there is no scenario called 'vidoe'\ndid you mean 'video'"):
        host.scenario("vidoe")
    with pytest.raises(ConfigError, match="there is no adapter called 'gat'\ndid you mean 'gate'"):
        host.component("adapter", "gat")
