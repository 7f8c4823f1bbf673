"""``polyscene config``: every shipped config is sound, and one that is not is told apart with all its mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.cli import app
from polyscene.cli.names import groups
from polyscene.config.check import check_configs
from polyscene.config.folder import OWN_VARIABLE
from polyscene.config.recipes import recipes
from polyscene.registry.host import Host, load_host
from tests.plugin_factory import GOOD, install_plugin

HEAD = """# @package _global_
# A trial.
# Used by:  polyscene train experiment={name}
# Override: polyscene train experiment={name} seed=1
"""
SOUND = "defaults: [{override /scenario: [radio]}]"
CONFIGS = """

@hookimpl
def polyscene_config_paths():
    return ["pkg://polyscene_radio.conf"]
"""


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


def test_every_config_is_sound(host: Host) -> None:
    checked = {f"{recipe.group}={recipe.name}": wrong for recipe, wrong in check_configs(host)}
    assert {"experiment=likes", "experiment=umls", "scenario=video", "adapter=star"} <= checked.keys()
    assert {name: wrong for name, wrong in checked.items() if wrong} == {}


@pytest.fixture
def with_experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A plugin with these experiments beside a good scenario."""

    def install(**experiments: str) -> None:
        configs = {f"experiment/{name}.yaml": text for name, text in experiments.items()}
        install_plugin(tmp_path, "radio", GOOD.format(scenario="radio") + CONFIGS, configs=configs)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("POLYSCENE_PLUGINS", "radio")
        monkeypatch.setenv("COLUMNS", "200")

    return install


def test_all_that_is_wrong_is_told_at_once(
    with_experiments: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with_experiments(
        good=HEAD.format(name="good") + SOUND,
        mistyped=HEAD.format(name="mistyped") + "trainer: {stpes: 3, lr: fast}",
        unheaded="# @package _global_\nseed: 3",
        torn=HEAD.format(name="torn") + "foo: [1",
        lost=HEAD.format(name="lost") + "defaults: [nothing]",
        hollow=HEAD.format(name="hollow") + "seed: ${nope}",
        listed=HEAD.format(name="listed") + "- a",
    )
    names = ["good", "mistyped", "unheaded", "torn", "lost", "hollow", "listed", "liked"]
    assert app.main(["config", "check", *names]) == 2
    shown = capsys.readouterr()
    assert "1 of 8 configs are sound" in shown.out
    for told in (
        "experiment=mistyped: there is no option 'trainer.stpes': did you mean 'steps'?",
        "experiment=mistyped: 'trainer.lr' is 'fast' (str); a number is expected",
        "experiment=unheaded: the file does not open with what it is, 'Used by:', 'Override:'",
        "experiment=torn: train.yaml experiment=torn: while parsing a flow sequence",
        "Could not load 'experiment/nothing'",
        "experiment=hollow: train.yaml experiment=hollow: Interpolation key 'nope' not found",
        "experiment=listed: train.yaml experiment=listed: In 'experiment/listed'",
        "experiment=liked: there is none: did you mean 'likes'?",
    ):
        assert told in shown.err, told
    assert "experiment=good" not in shown.err


def test_a_file_that_is_no_yaml_stops_a_training_with_its_place(
    with_experiments: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with_experiments(torn=HEAD.format(name="torn") + "foo: [1")
    assert app.main(["train", "experiment=torn"]) == 2
    assert "torn.yaml" in capsys.readouterr().err


def test_a_broken_plugin_is_part_of_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugin(tmp_path, "jazz", "import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("POLYSCENE_PLUGINS", "jazz,video")
    assert app.main(["config", "check", "quickstart"]) == 2
    assert "plugin 'jazz'" in capsys.readouterr().err


def test_the_list_shows_recipes(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert app.main(["config", "list"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for recipe in recipes(host, "experiment"):
        assert recipe.name in shown
        assert recipe.command in shown
    assert app.main(["config", "list", "nothing"]) == 2
    assert "there is no config group 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("trainer", "Optimizer steps at most"),
        ("adapter=star", "hidden"),
        ("scenario=video", "max_history"),
        ("hydra/sweeper=optuna", "Trials in all"),
        ("adapter=none", "adapter=none has no options"),
    ],
)
def test_options_are_described(
    part: str, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert app.main(["config", "describe", part]) == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "hint"), [("trianer", "trainer"), ("adapter=satr", "star"), ("scenario=vdieo", "video")]
)
def test_what_cannot_be_described(part: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["config", "describe", part]) == 2
    assert f"did you mean '{hint}'" in capsys.readouterr().err


def test_a_folder_of_ones_own_is_searched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "my conf"
    (own / "experiment").mkdir(parents=True)
    (own / "experiment" / "tastes.yaml").write_text(HEAD.format(name="tastes") + "trainer: {steps: 7}")
    monkeypatch.setenv(OWN_VARIABLE, "")  # so that what the command line sets is undone
    assert app.main(["--conf", str(own), "config", "check", "tastes"]) == 0
    assert app.main(["--conf", str(own), "train", "experiment=tastes", "--cfg", "job", "-p", "trainer.steps"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "7"
    assert "tastes" in groups()["experiment"]
    assert app.main(["--conf", str(tmp_path / "nowhere"), "train", "experiment=tastes"]) == 2
    assert "there is no such folder" in capsys.readouterr().err
