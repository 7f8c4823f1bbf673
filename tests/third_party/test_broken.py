"""Plugins that are broken as soon as they are loaded: each is named with its reason, and the host goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from polyscene.errors import PluginError
from polyscene.registry.discovery import Candidate
from polyscene.registry.host import Host, load_host

HostNamed = Callable[..., Host]
REASONS = {
    "broken_imports": "No module named 'a_module_that_is_not_there' (polyscene_broken/imports.py:3)",
    "broken_syntax": "it cannot be imported: SyntaxError",
    "broken_leaves": "it cannot be imported: SystemExit",
    "broken_no_api": "states no API version",
    "broken_old_api": "was written for API 2.0 and this polyscene has API 1.0",
    "broken_new_api": "was written for API 1.99",
    "broken_odd_api": "not of the form 'major.minor'",
    "broken_unknown_hook": "unknown hook 'polyscene_scenarioz', did you mean 'polyscene_scenarios'?",
    "broken_wrong_argument": "backbone",
    "broken_wrapper": "is a wrapper",
    "broken_raises": "its hook polyscene_scenarios failed: KeyError: 'lost' (polyscene_broken/raises.py:10)",
    "broken_raises_late": "its hook polyscene_scenarios failed: KeyError",
    "broken_no_scenarios": "Scenario objects are expected",
    "broken_name": "'My News!' is not a lower-case identifier",
    "broken_config": "a dataclass is expected",
    "broken_path": "config path 'pkg://nowhere.conf' does not exist",
    "broken_kind": "unknown kind 'adaptor'",
    "broken_component_taken": "adapter 'bend' is already registered by polyscene-adapters 0.1.0",
    "broken_half": "its hook polyscene_components failed: ImportError: a library is missing",
}
LATER = {
    "broken_scenario_taken",
    "broken_listener",
    "broken_enricher",
    "broken_enrichment",
    "broken_loads",
    "broken_parts",
}


def test_every_broken_plugin_has_a_test(candidates: list[Candidate]) -> None:
    broken = {one.name for one in candidates if one.distribution == "polyscene-broken"}
    assert broken == REASONS.keys() | LATER


@pytest.fixture(scope="module")
def host(candidates: list[Candidate]) -> Host:
    """All that is broken at once, beside what works."""
    host = load_host([one.name for one in candidates], candidates=candidates)
    assert host.registry.names("adapter")
    return host


def test_what_works_is_not_taken_down(host: Host) -> None:
    assert {record.name: record.status for record in host.records} == {
        "news": "active",
        "adapters": "active",
        **dict.fromkeys(LATER, "active"),
        **dict.fromkeys(REASONS, "broken"),
    }
    assert set(host.scenarios) == {"enriched", "load_raises", "load_returns", "parts"}
    assert host.component("adapter", "bend").provider == "adapters"
    assert host.component("encoder", "freshness").provider == "news"


@pytest.mark.parametrize("name", REASONS)
def test_a_broken_plugin_is_named_with_its_reason(name: str, host: Host) -> None:
    [record] = [one for one in host.records if one.name == name]
    assert REASONS[name] in record.reason
    assert "\n" not in record.reason
    assert record.complaint().startswith(f"plugin '{name}' (polyscene-broken 0.0.1) is broken: ")


def test_two_plugins_of_one_scenario_name_are_both_named(host: Host, host_named: HostNamed) -> None:
    """Neither is taken for the other, whichever is found first; all else that they bring can be used."""
    with pytest.raises(PluginError) as caught:
        host.scenario("news")
    assert caught.value.what == (
        "scenario 'news' is brought by plugin 'news' (polyscene-news 0.3.0) "
        "and plugin 'broken_scenario_taken' (polyscene-broken 0.0.1)"
    )
    assert "polyscene --plugins" in caught.value.fix
    assert host_named("news").scenario("news").title


def test_a_scenario_of_a_plugin_that_broke_is_withdrawn(host: Host) -> None:
    with pytest.raises(PluginError, match=r"scenario 'half' is not available: .*a library is missing"):
        host.scenario("half")
