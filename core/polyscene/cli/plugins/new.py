"""What ``polyscene plugins new`` does."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from polyscene.registry.host import load_host
from polyscene.scaffold import new_plugin

_TRY = {
    "scenario": "polyscene train scenario={name}",
    "adapter": "polyscene train adapter={name}",
    "loss": "polyscene train 'scenario.video.tasks=[{{name: ranking, options: {{loss: {name}}}}}]'",
    "prior": "polyscene train 'scenario.video.priors=[co_occurrence, {name}]'",
    "policy": "polyscene serve run=latest",
}
_WHY = {"policy": "after its README's lines are in deployment/config.json"}


def write_plugin(name: str, kind: str, parent: Path) -> None:
    """Write a package and say what to do with it."""
    made = new_plugin(name, kind, parent, load_host())
    folder = shlex.quote(str(made.folder))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Plugin '{name}' with the {kind} '{name}' is in {made.folder}:", markup=False)
    for file in made.files:
        console.print(f"  {file}", markup=False)
    console.print("Next:", style="bold")
    for command, why in (
        (f"pip install -e {folder}", "so that Polyscene finds it"),
        (_TRY[kind].format(name=name), _WHY.get(kind, "with a short training: trainer=smoke")),
        (f"polyscene plugins check {folder}", "what all plugins must hold to"),
        (f"pytest {folder}", "the same and tests of your own"),
    ):
        console.print(f"  {command}", end="", markup=False)
        console.print(f"  # {why}", style="dim", markup=False)
