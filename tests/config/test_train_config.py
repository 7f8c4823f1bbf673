"""The training config: composed from files and overrides, checked whole, and back from its own plain form."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from polyscene.config import extras
from polyscene.config.compose import compose, prepare_train
from polyscene.config.datasets import declared_datasets
from polyscene.config.folder import conf_dir
from polyscene.config.plain import to_mapping
from polyscene.config.recipes import read_recipe
from polyscene.config.resolve import resolve_train
from polyscene.config.search_path import COMPONENT_GROUPS, config_names
from polyscene.errors import ConfigError, PluginError
from polyscene.registry.host import Host, load_host

FIVE = ["ecommerce", "video", "music", "social", "kg"]
OWN = sorted(conf_dir().glob("**/*.yaml"))


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def problems_of(overrides: list[str], host: Host, *, sweep: bool = False) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        prepare_train(overrides, host, sweep=sweep)
    first, *lines = caught.value.what.splitlines()
    assert re.fullmatch(rf"{len(lines)} problems?", first)
    return [line.removeprefix("  - ") for line in lines]


def test_the_default_is_the_quickstart(host: Host) -> None:
    config = resolve_train(compose("train", [], host), host)
    assert list(config.scenario) == FIVE
    assert config.controls == ["single", "popularity", "item_knn"]
    assert (config.adapter.name, config.strategy.name, config.seed) == ("gate", "multitask", 0)


def test_only_chosen_scenarios_are_composed(host: Host) -> None:
    mapping = compose("train", ["scenario=[video,music]", "adapter=bottleneck", "seed=1"], host)
    assert list(mapping["scenario"]) == ["video", "music"]
    config = resolve_train(mapping, host)
    assert (config.adapter.name, config.adapter.options.rank, config.seed) == ("bottleneck", 16, 1)
    assert type(config.scenario["music"]) is host.scenario("music").config


@pytest.mark.parametrize("subset", [["video"], ["music", "social"], ["kg"]])
def test_the_default_follows_the_plugins_at_hand(subset: list[str]) -> None:
    alone = load_host(allow=subset)
    config = resolve_train(compose("train", [], alone), alone)
    assert sorted(config.scenario) == sorted(subset)


def test_two_scenarios_may_share_a_data_set(host: Host) -> None:
    config = resolve_train(compose("train", ["scenario=[music,social]"], host), host)
    assert "lastfm_2k" in config.dataset
    assert config.dataset["lastfm_2k"].name == "lastfm_2k"


@pytest.mark.parametrize("group", sorted({file.parent.name for file in OWN} & set(COMPONENT_GROUPS)))
def test_a_file_lists_all_options_with_their_defaults(group: str, host: Host) -> None:
    for file in conf_dir().glob(f"{group}/*.yaml"):
        component = host.component(group, file.stem)
        defaults = to_mapping(component.config()) if component.config else {}
        assert yaml.safe_load(file.read_text()) == {"name": file.stem, **defaults}


def test_the_files_of_trainer_model_and_data_state_the_defaults(host: Host) -> None:
    config = resolve_train(compose("train", ["trainer=default"], host), host)
    assert config.trainer == type(config.trainer)()
    assert config.model == type(config.model)()
    assert config.data == type(config.data)()
    assert config.run == type(config.run)()
    assert config.backbone == type(config.backbone)()


def test_every_file_opens_with_purpose_command_and_override() -> None:
    plugins = Path(__file__).parents[2] / "plugins"
    for file in [*OWN, *sorted(plugins.glob("*/conf/*/*.yaml"))]:
        assert read_recipe(file.parent.name, file.stem, file.read_text()).lacks() == [], file


def test_the_commands_in_the_files_are_accepted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda module: True)  # Ray is not, and its config must be sound
    plugins = Path(__file__).parents[2] / "plugins"
    files = [*OWN, *sorted(plugins.glob("*/conf/*/*.yaml"))]
    heads = [read_recipe(file.parent.name, file.stem, file.read_text()) for file in files]
    shown = {head.override for head in heads if head.override.startswith("polyscene train")}
    assert len(shown) > 50  # the pattern finds them
    for line in sorted(shown):
        words = shlex.split(line)[2:]
        prepare_train([word for word in words if word != "-m"], host, sweep="-m" in words)


def test_the_plain_form_comes_back(host: Host) -> None:
    config = resolve_train(compose("train", ["scenario=[video,social]", "adapter=bottleneck"], host), host)
    assert resolve_train(yaml.safe_load(yaml.safe_dump(to_mapping(config))), host) == config


def test_all_problems_of_a_command_line_at_once(host: Host) -> None:
    found = problems_of(
        [
            "scenario=vidoe",
            "scenario.vidoe.max_history=3",
            "adapter=gat",
            "adapter.rank=3",
            "trianer.lr=1",
            "trainer.step=5",
            "trainer.lr=fast",
            "trainer.accumulate=0",
            "model.content_dropout=1.5",
            "controls=[popularty]",
            "experiment=quikstart",
            "backbone.pooling=max",
            "=3",
        ],
        host,
    )
    for expected in (
        "'=3' is not an override",
        "there is no scenario called 'vidoe': did you mean 'video'?",
        "there is no adapter called 'gat': did you mean 'gate'?",
        "there is no experiment called 'quikstart': did you mean 'quickstart'?",
        "there is no option 'trianer': did you mean 'trainer'?",
        "there is no option 'trainer.step': did you mean 'steps'?",
        "'trainer.lr' is 'fast' (str); a number is expected",
        "'trainer.accumulate' is 0; at least 1 is expected",
        "'model.content_dropout' is 1.5; from 0 to 1 is expected",
        "'controls' names 'popularty': did you mean 'popularity'?",
    ):
        assert [line for line in found if line.startswith(expected)], expected
    assert any("pooling" in line for line in found)
    # Options of a choice that does not exist are not held against the default choice.
    assert not any("rank" in line or "max_history" in line for line in found)
    assert len(found) == 11


def test_options_of_components_and_scenarios_are_checked(host: Host) -> None:
    found = problems_of(
        [
            "scenario=video",
            "adapter.rnk=3",
            "scenario.video.max_histroy=5",
            "scenario.video.split.nam=x",
            "scenario.music.max_history=5",
            "scenario.video.dataset=movilens",
        ],
        host,
    )
    for expected in (
        "'scenario.music.max_history=5': scenario 'music' is not among those chosen (video)",
        "there is no option 'adapter.rnk'",
        "there is no option 'scenario.video.max_histroy': did you mean 'max_history'?",
    ):
        assert [line for line in found if line.startswith(expected)], expected


def test_options_that_no_file_lists_need_no_plus(host: Host) -> None:
    mapping = compose(
        "train", ["scenario=video", "scenario.video.split.cold_items=0.25", "backbone.batch_tokens=512"], host
    )
    config = resolve_train(mapping, host)
    assert config.scenario["video"].split["cold_items"] == 0.25
    assert config.backbone.batch_tokens == 512


def test_several_values_need_a_multirun(host: Host) -> None:
    [problem] = problems_of(["adapter=gate,none"], host)
    assert problem.startswith("'adapter=gate,none' has several values: add -m")


def test_every_choice_of_a_sweep_is_checked(host: Host) -> None:
    found = problems_of(
        ["scenario=video", "adapter=none,gat", "trainer.lr=0.1,fast", "seed=0,1"], host, sweep=True
    )
    assert len(found) == 2
    assert found[0].startswith("there is no adapter called 'gat'")
    assert found[1] == "'trainer.lr' is 'fast' (str); a number is expected"
    accepted, _ = prepare_train(["scenario=video", "adapter=none,gate", "seed=0,1"], host, sweep=True)
    assert accepted.sweeps == [["adapter=none", "adapter=gate"], ["seed=0", "seed=1"]]


def test_no_scenario_is_a_problem(host: Host) -> None:
    [problem] = problems_of(["scenario=[]"], host)
    assert problem.startswith("no scenario is chosen")
    assert "video" in problem


def test_a_scenario_that_is_not_allowed_says_so() -> None:
    [problem] = problems_of(["scenario=video"], load_host(allow=["kg"]))
    assert "is disabled: it is not on the list" in problem
    with pytest.raises(PluginError):
        load_host(allow=["kg"]).scenario("video")


def test_every_declared_data_set_is_sound(host: Host) -> None:
    datasets = declared_datasets(host)
    assert datasets
    for name, dataset in datasets.items():
        assert dataset.name == name
        assert dataset.problems() == []
        assert dataset.title, name
        assert dataset.terms, name


def test_every_scenario_has_a_file(host: Host) -> None:
    assert set(FIVE) <= config_names(host)["scenario"]
