"""A plugin's fault is named with its source (tests/third_party has a plugin for each), and the others work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from polyscene.errors import ConfigError, PluginError
from polyscene.registry.host import load_host

Install = Callable[..., str]
HEAD = 'from polyscene import Component, Scenario, hookimpl\nPOLYSCENE_API = "1.0"\n'


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
    install("faulty", "import not_there\n", configs={"scenario/podcast.yaml": "max_history: 5\n"})
    host = load_host(allow=["faulty"])
    with pytest.raises(PluginError, match=r"scenario 'podcast' is not available: plugin 'faulty' .*not_there"):
        host.scenario("podcast")
    with pytest.raises(PluginError, match="not_there"):
        host.scenario("faulty")  # by the plugin's own name
    with pytest.raises(ConfigError, match="there is no scenario called 'radio'"):
        host.scenario("radio")


def test_a_component_of_a_broken_plugin_is_answered_with_the_reason(install: Install) -> None:
    install("faulty", "import not_there\n", configs={"adapter/comet.yaml": "name: star\n"})
    with pytest.raises(PluginError, match=r"adapter 'comet' is not available: .*not_there"):
        load_host(allow=["faulty"]).component("adapter", "comet")
