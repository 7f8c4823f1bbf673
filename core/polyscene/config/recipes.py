"""What config files say of themselves: each opens with its purpose, the command that uses it and one override."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from polyscene.config.search_path import config_folders
from polyscene.registry.host import Host

_COMMAND = re.compile(r"# (?P<key>Used by|Override): +(?P<words>polyscene [^;]*?)(?:   .*|;.*)?$")


@dataclass(frozen=True)
class Recipe:
    """The head of a config file.

    Args:
        group: the config group.
        name: the choice in it.
        purpose: what it is, in a sentence or two.
        command: the command that uses it; empty if the file names none.
        override: one that changes something; empty if the file names none.
    """

    group: str
    name: str
    purpose: str
    command: str
    override: str

    def lacks(self) -> list[str]:
        """What every config file should open with and this one does not."""
        said = {"what it is": self.purpose, "'Used by:'": self.command, "'Override:'": self.override}
        return [what for what, text in said.items() if not text]


def read_recipe(group: str, name: str, text: str) -> Recipe:
    """The head of a file.

    Example:
        >>> recipe = read_recipe("adapter", "film", '''# Scales and shifts.
        ... # Used by:  polyscene train adapter=film   (the default)
        ... # Override: polyscene train -m adapter=film,gate
        ... name: film''')
        >>> recipe.purpose, recipe.command, recipe.override
        ('Scales and shifts.', 'polyscene train adapter=film', 'polyscene train -m adapter=film,gate')
    """
    lines: list[str] = []
    commands: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if match := _COMMAND.match(line):
            commands.setdefault(match["key"], match["words"].strip())
        elif not commands and not line.startswith(("# @package", "# Needs ")):
            lines.append(line.lstrip("# "))
    return Recipe(group, name, " ".join(lines), commands.get("Used by", ""), commands.get("Override", ""))


def recipes(host: Host, group: str) -> list[Recipe]:
    """The files of a config group, in the core's folder and those of the plugins, by name."""
    found: dict[str, Traversable] = {}
    for folder in config_folders(host):
        place = folder.joinpath(*group.split("/"))
        for file in place.iterdir() if place.is_dir() else ():
            if file.name.endswith(".yaml"):
                found.setdefault(file.name.removesuffix(".yaml"), file)
    return [
        read_recipe(group, name, file.read_bytes().decode("utf-8", "replace"))
        for name, file in sorted(found.items())
    ]
