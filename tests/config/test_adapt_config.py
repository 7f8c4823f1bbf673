"""The options of adapting: what a command line becomes, and all mistakes at once."""

from __future__ import annotations

import pytest

from polyscene.config.adapt import prepare_adapt
from polyscene.errors import ConfigError
from polyscene.registry.host import Host, load_host


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def test_a_command_line(host: Host) -> None:
    config = prepare_adapt(
        [
            "run=here",
            "scenario=music",
            "shots=[1,16,all]",
            "draws=3",
            "learn.lr=0.1",
            "scenario.music.max_history=7",
        ],
        host,
    )
    assert (config.run, config.name, config.shots, config.draws) == ("here", "music", [1, 16, "all"], [0, 1, 2])
    assert config.learn.lr == 0.1
    assert config.scenario["music"]["max_history"] == 7
    assert "lastfm_2k" in config.dataset


def test_one_number_of_shots_is_enough(host: Host) -> None:
    config = prepare_adapt(["scenario=video", "shots=all", "draws=[4]"], host)
    assert (config.run, config.shots, config.draws) == ("latest", ["all"], [4])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["scenario=musci"], "did you mean 'music'"),
        ([], "one scenario is added at a time, not 0"),
        (["scenario=[music,video]"], "one scenario is added at a time, not 2"),
        (["scenario=music", "shots=[]"], "'shots' is empty"),
        (["scenario=music", "shots=[16,16]"], "'shots' names a value twice"),
        (["scenario=music", "shots=[16,4]"], "not in ascending order"),
        (["scenario=music", "shots=few"], r"'shots\[0\]' is 'few'"),
        (["scenario=music", "shots=-1"], "'shots' has -1"),
        (["scenario=music", "draws=0"], "'draws' names no draw"),
        (["scenario=music", "drws=3"], "there is no option 'drws': did you mean 'draws'"),
        (["scenario=music", "learn.stpes=3"], "did you mean 'steps'"),
        (["scenario=music", "controls=[single]"], "controls"),
    ],
)
def test_mistakes_are_named(arguments: list[str], words: str, host: Host) -> None:
    with pytest.raises(ConfigError, match=words):
        prepare_adapt(arguments, host)


def test_all_mistakes_come_at_once(host: Host) -> None:
    with pytest.raises(ConfigError) as error:
        prepare_adapt(["scenario=music", "shots=[]", "draws=[]", "learn.lr=-1"], host)
    assert "learn.lr" in str(error.value)
