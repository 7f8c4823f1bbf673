"""Names that help and completion offer: read from the names of config files, without importing any plugin."""

from __future__ import annotations

from polyscene.config.extras import hydra_choices
from polyscene.config.folder import conf_dir
from polyscene.registry.discovery import find_candidates, shipped_configs
from polyscene.registry.host import allowed_by_environment


def groups() -> dict[str, list[str]]:
    """Config groups with their choices, also those of allowed plugins and of Hydra."""
    found = {(file.parent.name, file.stem) for file in conf_dir().glob("*/*.yaml")}
    allowed = allowed_by_environment()
    for candidate in find_candidates():
        if allowed is None or candidate.name in allowed:
            found.update(shipped_configs(candidate.entry_point.value))
    named: dict[str, list[str]] = {}
    for group, name in sorted(found):
        named.setdefault(group, []).append(name)
    return named | hydra_choices()
