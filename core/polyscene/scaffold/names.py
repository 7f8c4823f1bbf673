"""Whether a new plugin may have a name: an identifier that nobody uses."""

from __future__ import annotations

import importlib.util
import keyword
import re

import yaml

from polyscene.errors import PluginError, Problems
from polyscene.registry.host import NO_PLUGINS, Host

_FORM = re.compile(r"[a-z][a-z0-9_]*")
_NUMBERS = ("nan", "inf")  # Hydra reads them as floats


def package_of(name: str) -> str:
    """The module that a plugin of this name lives in."""
    return f"polyscene_{name}"


def distribution_of(name: str) -> str:
    """The name that pip knows it by."""
    return package_of(name).replace("_", "-")


def check_name(name: str, kind: str, host: Host) -> None:
    """Check the name of a plugin that brings one thing of the same name.

    Args:
        name: the plugin's name.
        kind: ``scenario`` or the kind of a component.
        host: knows the names that are taken.

    Raises:
        PluginError: it is no lower-case identifier, means something else in configs, or is taken.
    """
    where = f"the plugin name '{name}'"
    if not _FORM.fullmatch(name):
        raise PluginError(
            "it is not a lower-case identifier", where=where, fix=f"use letters, digits and _: {_mended(name)}"
        )
    if _means_something_else(name):
        raise PluginError(
            "this word has a meaning of its own in Python or in configs", where=where, fix=f"try {name}_{kind}"
        )
    problems = Problems(where)
    for taken in _uses(name, kind, host):
        problems.add(taken, fix="choose another name")
    problems.raise_if_any(PluginError)


def _means_something_else(name: str) -> bool:
    return (
        keyword.iskeyword(name)
        or name in _NUMBERS
        or name == NO_PLUGINS
        or yaml.safe_load(name) != name  # null, true, on and their like
    )


def _mended(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return words if _FORM.fullmatch(words) else f"my_{words or 'plugin'}"


def _uses(name: str, kind: str, host: Host) -> list[str]:
    """Who has the name already, in words."""
    known = host.registry.names(kind) if kind != "scenario" else []
    uses = [
        f"plugin '{name}' is installed ({record.source}, {record.module})"
        for record in host.records
        if record.name == name
    ]
    for record in host.records:
        brought = record.scenarios if kind == "scenario" else record.components
        if (name if kind == "scenario" else f"{kind}/{name}") in brought:
            uses.append(f"{kind} '{name}' is brought by plugin '{record.name}' ({record.source})")
    if name in known and not uses:
        uses.append(f"{kind} '{name}' is one of Polyscene's own")
    found = importlib.util.find_spec(package_of(name))
    if found is not None and not uses:
        uses.append(f"a module {package_of(name)} exists already ({found.origin or 'a folder on the path'})")
    return uses
