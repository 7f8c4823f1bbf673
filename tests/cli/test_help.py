"""Help of every command, its examples, and completion."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator

import click
import pytest

from polyscene.cli.app import cli, main
from polyscene.cli.names import groups
from polyscene.config.arguments import from_arguments
from polyscene.config.compose import prepare_train
from polyscene.config.pretrain import prepare_pretrain
from polyscene.config.schema import EvaluateConfig, RecommendConfig
from polyscene.config.transfer import prepare_transfer
from polyscene.registry.host import Host, load_host
from polyscene.updating.config import RollbackConfig, UpdateConfig

Run = Callable[..., object]


def _commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from _commands(inner, (*path, name))


COMMANDS = dict(_commands())
EXAMPLES = [
    line.strip()
    for command in COMMANDS.values()
    for line in (command.epilog or "").splitlines()
    if line.strip().startswith("polyscene ")
]


def test_the_commands_are_those_of_the_readme() -> None:
    assert set(COMMANDS) >= {
        ("train",),
        ("transfer",),
        ("pretrain",),
        ("evaluate",),
        ("recommend",),
        ("data", "list"),
        ("data", "prepare"),
        ("data", "describe"),
        ("config", "list"),
        ("config", "check"),
        ("config", "describe"),
        ("plugins", "list"),
        ("plugins", "describe"),
        ("plugins", "new"),
        ("plugins", "check"),
        ("doctor",),
        ("completion",),
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: {' '.join(['polyscene', *path])}")
    if not isinstance(COMMANDS[path], click.Group):
        assert "Examples:" in shown


@pytest.fixture(scope="module")
def host() -> Host:
    return load_host()


@pytest.mark.parametrize("example", sorted(set(EXAMPLES)))
def test_the_examples_are_accepted(example: str, host: Host) -> None:
    words = shlex.split(re.sub(r"  +.*", "", example).split(">")[0])[1:]
    command: click.Command = cli
    while words and words[0].startswith("-"):
        words = words[2 if words[0] == "--plugins" else 1 :]
    while isinstance(command, click.Group):
        command, words = command.commands[words[0]], words[1:]
    parameters = command.make_context(command.name, words).params
    if command.name == "transfer":
        prepare_transfer(parameters["overrides"], host)
    elif command.name == "pretrain":
        prepare_pretrain(parameters["overrides"], host)
    elif command.name == "train":
        prepare_train(parameters["overrides"], host, sweep=parameters["multirun"])
    elif command.name in ("update", "rollback"):
        kinds = {"update": UpdateConfig, "rollback": RollbackConfig}
        from_arguments(kinds[command.name], parameters["arguments"], where="", example="")
    elif command.name in ("evaluate", "recommend"):
        kind = EvaluateConfig if command.name == "evaluate" else RecommendConfig
        config = from_arguments(kind, parameters["arguments"], where="", example="")
        names = config.scenario if isinstance(config.scenario, list) else [config.scenario]
        assert set(filter(None, names)) <= set(host.scenarios)


def test_the_help_of_train_lists_groups_and_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--help"])
    shown = capsys.readouterr().out
    assert re.search(rf"adapter +{', +'.join(groups()['adapter'])}", " ".join(shown.split()))
    assert re.search(r"scenario +ecommerce, kg, music, social, video", shown)
    assert "powered by hydra" not in shown.lower()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_POLYSCENE_COMPLETE={shell}_complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # bash breaks words at "=": that is how they arrive
        (["train", "adapter", "="], groups()["adapter"]),
        (["train", "adapter", "=", "gat"], ["gate"]),
        (["train", "seed=1", "scenario", "=", "mu"], ["music"]),
        (["train", "scenario", "=", "[video,mu"], ["[video,music"]),
        (["train", "adapter=bo"], ["adapter=bottleneck"]),
        (["train", "balan"], [f"balancer={name}" for name in groups()["balancer"]]),
        (["data", "describe", "vi"], ["video"]),
        (["recommend", "run", "=", "la"], ["latest"]),
        (["transfer", "seeds"], ["seeds=["]),
        (["transfer", "balancers", "=", "[mean,un"], ["[mean,uncertainty"]),
        (["train", "trainer.warm"], ["trainer.warmup="]),
        (["train", "run."], ["run.dir=", "run.root="]),
        (["train", "hydra/launcher", "=", "sl"], ["slurm"]),
        (["config", "describe", "adapter", "=", "sta"], ["stack", "star"]),
        (["config", "list", "log"], ["logger"]),
        (["plug"], ["plugins"]),
    ],
)
def test_completion_in_bash(words: list[str], expected: list[str], polyscene: Run) -> None:
    environment = {
        "_POLYSCENE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["polyscene", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = polyscene(environment=environment)
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == expected


def test_completion_in_zsh(polyscene: Run) -> None:
    environment = {
        "_POLYSCENE_COMPLETE": "zsh_complete",
        "COMP_WORDS": "polyscene train adapter=b",
        "COMP_CWORD": "2",
    }
    assert "adapter=bottleneck" in polyscene(environment=environment).stdout


def test_groups_hold_the_plugins_scenarios() -> None:
    assert groups()["scenario"] == ["ecommerce", "kg", "music", "social", "video"]
