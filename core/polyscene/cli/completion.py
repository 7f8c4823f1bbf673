"""Shell completion, with ``key=value`` arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

from polyscene.cli.names import NOT_CHOSEN, groups, option_keys
from polyscene.registry.discovery import find_candidates

_VARIABLE = "_POLYSCENE_COMPLETE"
_PLACES = {
    "bash": 'add to ~/.bashrc:                        eval "$(polyscene completion bash)"',
    "zsh": 'add to ~/.zshrc:                         eval "$(polyscene completion zsh)"',
    "fish": "save as a file that fish reads at start:  polyscene completion fish > "
    "~/.config/fish/completions/polyscene.fish",
}


@click.command(
    epilog="""\b
Examples:
  eval "$(polyscene completion bash)"
  polyscene completion zsh
  polyscene completion fish"""
)
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
def completion(shell: str) -> None:
    """Print a script that completes commands, config groups and scenarios in your SHELL."""
    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root.command, {}, "polyscene", _VARIABLE).source())
    click.echo(f"# {_PLACES[shell]}")


class _Bash(BashComplete):
    """Bash breaks words at ``=``, so ``adapter=ga`` arrives in three pieces; they are put together again."""

    broken_at_equals = False

    def get_completion_args(self) -> tuple[list[str], str]:
        words = os.environ["COMP_WORDS"].split()
        count = int(os.environ["COMP_CWORD"])
        # The word under the cursor is missing from the list where nothing was typed of it yet.
        typed = [*words[1:], ""][: max(count, 0)]
        joined: list[str] = []
        for number, word in enumerate(typed):
            follows = number > 0 and (typed[number - 1] == "=" or word == "=")
            if follows and joined:
                joined[-1] += word
            else:
                joined.append(word)
        self.broken_at_equals = len(typed) > 1 and "=" in (typed[-1], typed[-2])
        return joined[:-1], joined[-1] if joined else ""

    def format_completion(self, item: CompletionItem) -> str:
        if self.broken_at_equals:
            item = CompletionItem(item.value.partition("=")[2], type=item.type)
        return super().format_completion(item)

    @staticmethod
    def _check_version() -> None:
        """Any bash since 4.4 will do; asking for it would cost a process at each start of a shell."""


def register() -> None:
    """Let click use our bash completion."""
    add_completion_class(_Bash, "bash")


def complete_overrides(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``group=choice`` for all config groups, in lists such as ``scenario=[video,mu`` the last name.

    After a part and a dot, as in ``trainer.``, its options.
    """
    if "." in incomplete and "=" not in incomplete:
        keys = option_keys(incomplete.partition(".")[0])
        return [CompletionItem(f"{key}=") for key in keys if key.startswith(incomplete)]
    return _chosen(groups(), incomplete)


def complete_transfer(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """As :func:`complete_overrides`, with the lists of adapters and balancers."""
    found = groups()
    lists = {"adapters": found.get("adapter", []), "balancers": found.get("balancer", [])}
    if "=" in incomplete:
        return _chosen({**found, **lists}, incomplete)
    keys = [f"{key}=[" for key in (*lists, "seeds") if key.startswith(incomplete)]
    return [*_chosen(found, incomplete), *(CompletionItem(key) for key in keys)]


def _chosen(found: Mapping[str, Sequence[str]], incomplete: str) -> list[CompletionItem]:
    group, equals, typed = incomplete.partition("=")
    if not equals:
        return [
            CompletionItem(f"{name}={choice}")
            for name in sorted(found)
            if name.startswith(incomplete) and name not in NOT_CHOSEN
            for choice in found[name]
        ]
    cut = max(typed.rfind("["), typed.rfind(",")) + 1
    kept, last = typed[:cut], typed[cut:]
    return [
        CompletionItem(f"{group}={kept}{choice}") for choice in found.get(group, ()) if choice.startswith(last)
    ]


def complete_names(*kinds: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completion of names from some config groups."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = groups()
        names = [name for kind in kinds for name in found.get(kind, ())]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete


def complete_groups(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of config groups."""
    return [CompletionItem(name) for name in sorted(groups()) if name.startswith(incomplete)]


def complete_parts(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Parts of the config that have options of their own, and ``group=choice``."""
    parts = [part for part in ("backbone", "data", "model", "run", "trainer") if part.startswith(incomplete)]
    return [*map(CompletionItem, parts), *_chosen(groups(), incomplete)]


def complete_run(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``run=`` with the runs in ``runs/``, and ``scenario=`` with the scenarios."""
    runs = sorted(str(path.parent) for path in Path("runs").glob("*/resolved.yaml"))
    offered = [f"run={run}" for run in ["latest", *runs]]
    offered += [f"scenario={name}" for name in groups().get("scenario", ())]
    return [CompletionItem(value) for value in offered if value.startswith(incomplete)]


def complete_plugins(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of installed plugins, and folders."""
    names = [CompletionItem(one.name) for one in find_candidates() if one.name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="dir")]
