"""Finding plugins among the installed distributions, without importing any of them."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

GROUP = "polyscene.plugins"
OWN_DISTRIBUTION = "polyscene"


@dataclass(frozen=True)
class Candidate:
    """An installed entry point that may turn out to be a plugin."""

    name: str
    entry_point: metadata.EntryPoint
    distribution: str
    version: str


def find_candidates() -> list[Candidate]:
    """All entry points of the group ``polyscene.plugins``: the built-in ones first, then by distribution and name.

    A distribution that is found twice on ``sys.path`` counts once (the first wins, as it does for imports).
    """
    candidates: list[Candidate] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name = str(distribution.metadata["Name"] or "")
        if not name or name.lower() in seen:
            continue
        seen.add(name.lower())
        candidates += [
            Candidate(point.name, point, name, distribution.version)
            for point in distribution.entry_points
            if point.group == GROUP
        ]
    return sorted(candidates, key=lambda c: (c.distribution.lower() != OWN_DISTRIBUTION, c.distribution, c.name))


def shipped_configs(module: str) -> list[tuple[str, str]]:
    """``(group, name)`` of the config files in a plugin's ``conf`` folder, found without running its code.

    This is how a request for a scenario of a plugin that cannot be imported still finds the plugin to blame.
    """
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return []
    found: list[tuple[str, str]] = []
    for location in (spec.submodule_search_locations or ()) if spec else ():
        found += [(file.parent.name, file.stem) for file in sorted(Path(location).glob("conf/*/*.yaml"))]
    return found
