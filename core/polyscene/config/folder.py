"""Where config files are: those of the package, and those of one's own."""

from __future__ import annotations

import os
from pathlib import Path

from polyscene.errors import ConfigError

OWN_VARIABLE = "POLYSCENE_CONF"


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


def own_dir() -> Path | None:
    """The folder that the variable ``POLYSCENE_CONF`` names, which is searched last; ``None`` without it.

    Raises:
        ConfigError: it is no folder.
    """
    named = os.environ.get(OWN_VARIABLE, "")
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(
            "there is no such folder",
            where=f"{named} ({OWN_VARIABLE} or polyscene --conf)",
            fix="name the folder that holds experiment/NAME.yaml, or leave it out",
        )
    return folder
