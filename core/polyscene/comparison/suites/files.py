"""Suite files: where they are, and what is wrong with one before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from polyscene.comparison.suites.config import SuiteConfig
from polyscene.config.search_path import config_folders
from polyscene.config.validate import from_mapping
from polyscene.errors import ConfigError, PolysceneError, Problems, did_you_mean
from polyscene.registry.host import Host

GROUP = "suite"
_OF_SCENARIO = re.compile(r"[+~]*scenario\.(\w+)\.")


def suites(host: Host) -> dict[str, Path]:
    """The suite files that come with Polyscene and with plugins, by name."""
    found: dict[str, Path] = {}
    for folder in config_folders(host):
        inside = folder.joinpath(GROUP)
        for file in inside.iterdir() if inside.is_dir() else ():
            if file.name.endswith(".yaml"):
                found.setdefault(file.name.removesuffix(".yaml"), Path(str(file)))
    return dict(sorted(found.items()))


def read_suite(name: str, host: Host) -> SuiteConfig:
    """A suite by its name or by the path of its file, checked but for what its runs are made of.

    Raises:
        ConfigError: there is no such suite, or everything that is wrong in its file.
    """
    known = suites(host)
    path = Path(name) if name.endswith((".yaml", ".yml")) else known.get(name)
    if path is None or not path.is_file():
        raise ConfigError(
            f"there is no suite '{name}'",
            where="polyscene bench",
            fix=f"{did_you_mean(name, known)}; or give the path of a YAML file",
        )
    problems = Problems(f"suite {path.name}")
    config = from_mapping(SuiteConfig, _mapping(path), problems)
    if config is not None:
        _check_scenarios(config, host, problems)
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


def scenario_of_override(line: str) -> str:
    """The scenario whose option an override sets; empty if it speaks of no scenario."""
    match = _OF_SCENARIO.match(line)
    return match[1] if match else ""


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the file cannot be read ({reason})", where=str(path), fix="mend it") from None
    if not isinstance(found, Mapping):
        raise ConfigError("the file holds no keys", where=str(path), fix="see conf/suite/quick.yaml for one")
    values = dict(found)
    if isinstance(protocols := values.get("protocols"), Mapping):
        values["protocols"] = {label: one or {} for label, one in protocols.items()}
    return {key: value for key, value in values.items() if value is not None}


def _check_scenarios(config: SuiteConfig, host: Host, problems: Problems) -> None:
    for label, names in config.scenarios.items():
        for name in names:
            try:
                host.scenario(name)
            except PolysceneError as error:
                problems.add(f"'scenarios.{label}': {error.what}", fix=error.fix)
        if not names:
            problems.add(f"'scenarios.{label}' names no scenario", fix="name one or several: [video, music]")
        for protocol, one in config.protocols.items():
            if one.command != "train" and len(names) < 2:
                problems.add(
                    f"protocol '{protocol}' needs two scenarios in '{label}'", fix="add one, or leave it out"
                )
    for protocol, one in config.protocols.items():
        if one.adapt and one.command != "adapt":
            problems.add(f"'protocols.{protocol}.adapt' goes with command: adapt", fix="use overrides instead")
    everyone = {name for names in config.scenarios.values() for name in names}
    lines = [config.overrides, *config.methods.values()]
    lines += [given for one in config.protocols.values() for given in (one.overrides, one.adapt)]
    for line in dict.fromkeys(line for own in lines for line in own):
        name = scenario_of_override(line)
        if name and name not in everyone:
            problems.add(f"'{line}' speaks of a scenario that is in no group", fix=did_you_mean(name, everyone))
