"""All data sets that config files declare, those of scenarios that nobody trains included."""

from __future__ import annotations

from typing import Any

import yaml

from polyscene.config.search_path import config_folders
from polyscene.config.validate import from_mapping
from polyscene.data.datasets import DataSet
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host


def declared_datasets(host: Host) -> dict[str, DataSet]:
    """Data sets by name, from ``dataset/NAME.yaml`` in the core's config folder and those of the plugins.

    Raises:
        ConfigError: files that are no YAML or do not describe a data set, all at once.
    """
    problems = Problems("data sets")
    found: dict[str, DataSet] = {}
    for folder in config_folders(host):
        group = folder / "dataset"
        for file in sorted(group.iterdir(), key=lambda one: one.name) if group.is_dir() else ():
            name, dot, suffix = file.name.rpartition(".")
            if dot and suffix == "yaml" and name not in found:
                dataset = _read(name, file.read_text(encoding="utf-8"), problems)
                if dataset is not None:
                    found[name] = dataset
    problems.raise_if_any(ConfigError)
    return dict(sorted(found.items()))


def _read(name: str, text: str, problems: Problems) -> DataSet | None:
    try:
        mapping: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problems.add(f"dataset/{name}.yaml is not YAML ({' '.join(str(error).split())})")
        return None
    given = {"name": name, **mapping} if isinstance(mapping, dict) else mapping
    return from_mapping(DataSet, given, problems, f"dataset.{name}")
