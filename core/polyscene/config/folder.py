"""Where the packaged config files are."""

from __future__ import annotations

from pathlib import Path

from polyscene.errors import ConfigError


def conf_dir() -> Path:
    """The config folder: ``polyscene/conf`` in an installed wheel, ``conf`` beside ``core`` in a checkout.

    Raises:
        ConfigError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "conf", package.parents[1] / "conf")
    for candidate in candidates:
        if (candidate / "train.yaml").is_file():
            return candidate
    raise ConfigError(
        "the packaged config files are missing",
        where=" or ".join(map(str, candidates)),
        fix="install polyscene again",
    )
