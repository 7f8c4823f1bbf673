"""Configs of a stranger's plugin: with files, without files, and with a mistake in its declaration."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyscene.config.compose import compose, prepare_train
from polyscene.config.resolve import resolve_train
from polyscene.errors import ConfigError
from polyscene.registry.host import load_host
from tests.plugin_factory import install_plugin

SOURCE = """
from dataclasses import dataclass
from polyscene import Category, Component, Scenario, ScenarioConfig, TaskSpec, hookimpl

POLYSCENE_API = "1.0"


@dataclass
class PodcastConfig(ScenarioConfig):
    language: str = "en"


@dataclass
class StarConfig:
    arms: int = 5


def load(config, data):
    raise RuntimeError("never loaded")


@hookimpl
def polyscene_scenarios():
    return [
        Scenario("podcast", load, config=PodcastConfig),
        Scenario(
            "radio",
            load,
            item_columns=(Category("genre", options={"min_row": 1}),),
            tasks=(TaskSpec("rank"),),
        ),
    ]


@hookimpl
def polyscene_components():
    return [Component("adapter", "starfish", list, StarConfig)]


@hookimpl
def polyscene_config_paths():
    return ["pkg://polyscene_audio.conf"]
"""
PODCAST = """\
# @package scenario.podcast
# A test.
language: de
"""


@pytest.fixture
def _audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install_plugin(tmp_path, "audio", SOURCE, configs={"scenario/podcast.yaml": PODCAST})
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.startswith("polyscene_audio")]:
        del sys.modules[name]


@pytest.mark.usefixtures("_audio")
def test_a_scenario_with_a_file_and_its_own_options() -> None:
    host = load_host(allow=["audio", "video"])
    config = resolve_train(compose("train", ["scenario=[podcast,video]", "scenario.podcast.share=2"], host), host)
    assert config.scenario["podcast"].language == "de"
    assert config.scenario["podcast"].share == 2.0
    with pytest.raises(ConfigError, match=r"'scenario.podcast.language' is 5 \(int\); text is expected"):
        prepare_train(["scenario=podcast", "scenario.podcast.language=5"], host)


@pytest.mark.usefixtures("_audio")
def test_a_component_without_a_file_can_be_chosen() -> None:
    host = load_host(allow=["audio"])
    config = resolve_train(
        compose("train", ["scenario=podcast", "adapter=starfish", "adapter.arms=7"], host), host
    )
    assert (config.adapter.name, config.adapter.options.arms) == ("starfish", 7)


@pytest.mark.usefixtures("_audio")
def test_mistakes_in_a_declaration_name_the_plugin() -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_train(["scenario=radio"], load_host(allow=["audio"]))
    assert "scenario radio (plugin audio): items column 'genre'.min_row': did you mean 'min_rows'?" in str(
        caught.value
    )
    assert "there is no task called 'rank': did you mean 'ranking'?" in str(caught.value)
