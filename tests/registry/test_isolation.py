"""A plugin's fault is named with its source, and everything else goes on working."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from polyscene.errors import ConfigError, PluginError
from polyscene.registry.host import load_host
from tests.plugin_factory import GOOD

Install = Callable[..., str]
HEAD = 'from polyscene import Component, Scenario, hookimpl\nPOLYSCENE_API = "1.0"\n'

FAULTS = {
    "import": ("import not_there\n", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
    "syntax": ("def broken(:\n", "cannot be imported: SyntaxError"),
    "leaves": ("import sys\nsys.exit(3)\n", "cannot be imported: SystemExit"),
    "no_api": ("x = 1\n", "states no API version"),
    "old_api": ('POLYSCENE_API = "2.0"\n', "was written for API 2.0 and this polyscene has API 1.0"),
    "new_minor": ('POLYSCENE_API = "1.99"\n', "was written for API 1.99"),
    "odd_api": ('POLYSCENE_API = "one"\n', "not of the form 'major.minor'"),
    "unknown_hook": (
        HEAD + "@hookimpl\ndef polyscene_scenarioz():\n    return []\n",
        "unknown hook 'polyscene_scenarioz', did you mean 'polyscene_scenarios'?",
    ),
    "wrong_argument": (
        HEAD + "@hookimpl\ndef polyscene_scenarios(backbone):\n    return []\n",
        "backbone",
    ),
    "wrapper": (
        HEAD + "@hookimpl(wrapper=True)\ndef polyscene_scenarios():\n    return (yield)\n",
        "is a wrapper",
    ),
    "raises": (
        HEAD + "@hookimpl\ndef polyscene_scenarios():\n    raise KeyError('lost')\n",
        "its hook polyscene_scenarios failed: KeyError: 'lost'",
    ),
    "raises_late": (
        HEAD + "@hookimpl\ndef polyscene_scenarios():\n    yield from ()\n    raise KeyError('lost')\n",
        "its hook polyscene_scenarios failed",
    ),
    "not_scenarios": (
        HEAD + "@hookimpl\ndef polyscene_scenarios():\n    return ['podcast']\n",
        "Scenario objects are expected",
    ),
    "bad_path": (
        HEAD + "@hookimpl\ndef polyscene_config_paths():\n    return ['pkg://nowhere.conf']\n",
        "config path 'pkg://nowhere.conf' does not exist",
    ),
    "bad_kind": (
        HEAD + "@hookimpl\ndef polyscene_components():\n    return [Component('adaptor', 'x', list)]\n",
        "unknown kind 'adaptor'",
    ),
    "taken_component": (
        HEAD + "@hookimpl\ndef polyscene_components():\n    return [Component('adapter', 'gate', list)]\n",
        "adapter 'gate' is already registered by polyscene",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_plugin_is_named_and_the_others_work(fault: str, install: Install) -> None:
    source, reason = FAULTS[fault]
    install("broken", source, version="0.3.1")
    install("podcast", GOOD.format(scenario="podcast"))
    host = load_host(allow=["broken", "podcast"])
    assert host.registry.names("adapter")
    records = {record.name: record for record in host.records}
    assert records["podcast"].status == "active"
    assert host.scenario("podcast").name == "podcast"
    broken = records["broken"]
    assert broken.status == "broken"
    assert reason in broken.reason
    assert "\n" not in broken.reason
    assert broken.source == "polyscene-broken 0.3.1"
    assert host.providers == {"podcast": "podcast"}


def test_the_place_of_an_import_error_is_told(install: Install) -> None:
    install("broken", "x = 1\n\nimport not_there\n")
    [record] = [one for one in load_host(allow=["broken"]).records if one.name == "broken"]
    assert "(polyscene_broken/__init__.py:3)" in record.reason


def test_a_hook_that_raises_during_a_run_stops_only_its_plugin(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    listener = (
        HEAD + "heard = []\n@hookimpl\ndef polyscene_run_finished(run, status):\n    {body}\n    return status\n"
    )
    install("first", listener.format(body="raise OSError('disk gone')"))
    install("second", listener.format(body="heard.append(status)"))
    host = load_host(allow=["first", "second"])
    assert host.call("polyscene_run_finished", run=None, status="finished") == {"second": "finished"}
    assert (
        "plugin 'first' (polyscene-first 0.2.0) is broken: its hook polyscene_run_finished failed" in caplog.text
    )
    assert "disk gone" in caplog.text
    # It is not asked again.
    caplog.clear()
    assert host.call("polyscene_run_finished", run=None, status="failed") == {"second": "failed"}
    assert not caplog.text


def test_hooks_may_take_fewer_arguments(install: Install) -> None:
    install("brief", HEAD + "@hookimpl\ndef polyscene_run_finished(status):\n    return status\n")
    host = load_host(allow=["brief"])
    assert host.call("polyscene_run_finished", run=None, status="finished") == {"brief": "finished"}


def test_a_scenario_of_a_broken_plugin_is_answered_with_the_reason(install: Install) -> None:
    install("broken", "import not_there\n", configs={"scenario/podcast.yaml": "max_history: 5\n"})
    host = load_host(allow=["broken"])
    with pytest.raises(PluginError, match=r"scenario 'podcast' is not available: plugin 'broken' .*not_there"):
        host.scenario("podcast")
    with pytest.raises(PluginError, match="not_there"):
        host.scenario("broken")  # by the plugin's own name
    with pytest.raises(ConfigError, match="there is no scenario called 'radio'"):
        host.scenario("radio")


def test_a_component_of_a_broken_plugin_is_answered_with_the_reason(install: Install) -> None:
    install("broken", "import not_there\n", configs={"adapter/comet.yaml": "name: star\n"})
    with pytest.raises(PluginError, match=r"adapter 'comet' is not available: .*not_there"):
        load_host(allow=["broken"]).component("adapter", "comet")


def test_scenarios_of_a_plugin_whose_components_are_broken_are_withdrawn(install: Install) -> None:
    install(
        "half",
        GOOD.format(scenario="podcast")
        + "\n@hookimpl\ndef polyscene_components():\n    raise ImportError('no lib')\n",
    )
    host = load_host(allow=["half"])
    assert host.registry.names("adapter")
    assert "podcast" not in host.scenarios
    with pytest.raises(PluginError, match="no lib"):
        host.scenario("podcast")
