"""The options of the transfer matrix: what a command line becomes, and all mistakes at once."""

from __future__ import annotations

import pytest

from polyscene.config.transfer import prepare_transfer
from polyscene.errors import ConfigError
from polyscene.registry.host import Host, load_host


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def test_a_command_line(host: Host) -> None:
    config = prepare_transfer(
        ["scenario=[video,music]", "seeds=[3,4]", "adapters=[none,{name: bottleneck, rank: 4}]", "balancers=[]"],
        host,
    )
    assert (list(config.scenario), config.seeds, config.seed) == (["video", "music"], [3, 4], 3)
    assert [choice.as_mapping() for choice in config.adapters] == [
        {"name": "none"},
        {"name": "bottleneck", "rank": 4},
    ]
    assert config.balancers == []
    assert config.controls == ["popularity"]


def test_a_name_means_what_its_file_says(host: Host) -> None:
    listed = prepare_transfer(["scenario=[video,music]", "adapters=[bottleneck]"], host).adapters[0]
    chosen = prepare_transfer(["scenario=[video,music]", "adapter=bottleneck"], host).adapter
    assert listed.as_mapping() == chosen.as_mapping()


def test_popularity_is_always_there(host: Host) -> None:
    assert prepare_transfer(["scenario=[video,music]", "controls=[item_knn]"], host).controls == [
        "popularity",
        "item_knn",
    ]


def test_a_scenario_in_domains_is_several(host: Host) -> None:
    config = prepare_transfer(["scenario=video", "scenario.video.domains={column: age}"], host)
    assert list(config.scenario) == ["video"]


def test_all_mistakes_at_once(host: Host) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_transfer(
            [
                *("scenario=video", "seeds=[]", "seed=3", "adapters=[nonee]", "balancers=[meen]"),
                *("controls=[single]", "strategy=single", "trainer.lr=fast"),
            ],
            host,
        )
    words = str(caught.value)
    assert "config: 8 problems" in words
    for part in (
        "'video' is the only scenario, and transfer needs two",
        "'seeds' is empty",
        "'seed' is given",
        "there is no adapter called 'nonee': did you mean 'none'?",
        "there is no balancer called 'meen': did you mean 'mean'?",
        "the diagonal of the matrix is that control",
        "'strategy' is single",
        "'trainer.lr' is 'fast'",
    ):
        assert part in words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["scenario=[video,vido]", "seeeds=[1]"], ("did you mean 'video'?", "did you mean 'seeds'?")),
        (
            ["seeds=[1,1]", "adapters=[none,none]", "balancers=[{name: mean, rang: 4}]"],
            (
                "names a seed twice",
                "names 'none' twice with the same options",
                "there is no option 'balancers.rang'",
            ),
        ),
        (["seeds=[one]"], ("a whole number is expected",)),
    ],
)
def test_mistakes(given: list[str], words: tuple[str, ...], host: Host) -> None:
    with pytest.raises(ConfigError, match="problem") as caught:
        prepare_transfer(given, host)
    assert [part for part in words if part not in str(caught.value)] == []
