"""Names that help and completion offer: read from config files, without importing any plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from polyscene.config.extras import hydra_choices
from polyscene.config.folder import conf_dir, own_dir
from polyscene.registry.discovery import find_candidates, shipped_configs
from polyscene.registry.host import allowed_by_environment

NOT_CHOSEN = ("dataset", "suite")
"""Groups that have names, but none that a training chooses as ``GROUP=NAME``."""


def groups() -> dict[str, list[str]]:
    """Config groups with their choices, also those of allowed plugins and of Hydra."""
    folders = [conf_dir(), *filter(None, [own_dir()])]
    found = {(file.parent.name, file.stem) for folder in folders for file in folder.glob("*/*.yaml")}
    allowed = allowed_by_environment()
    for candidate in find_candidates():
        if allowed is None or candidate.name in allowed:
            found.update(shipped_configs(candidate.entry_point.value))
    named: dict[str, list[str]] = {}
    for group, name in sorted(found):
        named.setdefault(group, []).append(name)
    return named | hydra_choices()


def option_keys(group: str) -> list[str]:
    """Keys such as ``trainer.lr`` that the files of a part of the config name."""
    files = sorted((conf_dir() / group).glob("*.yaml")) if group.isidentifier() else []
    keys = {str(key) for file in files for key in _mapping(file)} | {str(key) for key in _train().get(group) or ()}
    return [f"{group}.{key}" for key in sorted(keys - {"name", "defaults"})]


def _train() -> dict[str, Any]:
    return {key: value for key, value in _mapping(conf_dir() / "train.yaml").items() if isinstance(value, dict)}


def _mapping(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
