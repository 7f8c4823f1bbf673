"""The run directory: one folder with everything about a run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from polyscene.config.plain import to_mapping
from polyscene.config.schema import TrainConfig
from polyscene.data.files import UNFINISHED, write_error
from polyscene.errors import CheckpointError, ConfigError
from polyscene.training.files import write_json, write_text

RESOLVED = "resolved.yaml"
FINGERPRINT = "fingerprint.json"
CHECKPOINTS = "checkpoints"
_PACKAGES = (
    "polyscene",
    "torch",
    "transformers",
    "peft",
    "torchjd",
    "lightning-fabric",
    "numpy",
    "pandas",
    "pyarrow",
)


def open_run(config: TrainConfig) -> Path:
    """The directory of a run: a new one, or an interrupted one that is continued.

    Raises:
        CheckpointError: the directory cannot be written.
        ConfigError: the directory holds a run with another config.
    """
    folder = Path(config.run.dir) if config.run.dir else _fresh(config)
    resolved = config_text(config)
    known = folder / RESOLVED
    before = known.read_text(encoding="utf-8") if known.is_file() else resolved
    if before != resolved:
        raise ConfigError(
            f"it holds a run with another config ({_first_difference(before, resolved)})",
            where=str(folder),
            fix="repeat the options of that run to continue it, or choose another run.dir",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder, CheckpointError) from error
    for unfinished in folder.rglob(UNFINISHED):  # left by a process that was killed while writing
        unfinished.unlink(missing_ok=True)
    write_text(known, resolved)
    return folder


def config_text(config: TrainConfig) -> str:
    """The whole config as YAML, without the place where the run is kept."""
    mapping = to_mapping(config)
    mapping.pop("run")
    return yaml.safe_dump(mapping, sort_keys=True, allow_unicode=True)


def config_fingerprint(config: TrainConfig) -> str:
    """A hash of the whole config, without the place where the run is kept."""
    return hashlib.sha256(config_text(config).encode()).hexdigest()


def write_fingerprint(folder: Path, config: TrainConfig, data: Mapping[str, str]) -> None:
    """Write what identifies a run: hashes of config and data, versions, seed and the state of the code."""
    write_json(
        folder / FINGERPRINT,
        {
            "config": config_fingerprint(config),
            "data": dict(data),
            "seed": config.seed,
            "versions": versions(),
            "python": platform.python_version(),
            "git": _git_state(),
        },
    )


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def read_config(folder: Path) -> dict[str, Any]:
    """The resolved config of a run as plain values.

    Raises:
        CheckpointError: the directory is no run.
    """
    path = folder / RESOLVED
    if not path.is_file():
        raise CheckpointError(
            f"there is no {RESOLVED}", where=str(folder), fix="give the directory of a run, or run=latest"
        )
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CheckpointError(f"the file is damaged ({error})", where=str(path), fix="train again") from None


def _fresh(config: TrainConfig) -> Path:
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    parts = [now, config.name or "-".join(config.scenario), f"seed{config.seed}"]
    folder = Path(config.run.root) / "-".join(parts)
    number = 2
    while folder.exists():
        folder = folder.with_name("-".join([*parts, str(number)]))
        number += 1
    return folder


def _first_difference(old: str, new: str) -> str:
    for before, after in zip(old.splitlines(), new.splitlines(), strict=False):
        if before != after:
            return f"'{before.strip()}' there, '{after.strip()}' here"
    return "one has more options"


def _git_state() -> str:
    """Commit of the code, with ``+changes`` where the tree differs from it; empty outside a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603  (fixed words, no shell)
            # Without the lock: `git status` would write the user's index, and leave its lock on a full disk.
            ["git", "--no-optional-locks", "-C", str(here), *arguments],  # noqa: S607  (git is looked up on PATH)
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def read_fingerprint(folder: Path) -> dict[str, Any]:
    """The fingerprint of a run."""
    return json.loads((folder / FINGERPRINT).read_text(encoding="utf-8"))
