"""Environments of peers: each library at the version that is compared, outside of the tree and of ours."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TORCH = "torch==2.13.0"


class NotInstalled(RuntimeError):
    """A peer's environment cannot be made here; the message says why."""


@dataclass(frozen=True)
class Requirements:
    """What a peer needs.

    Args:
        name: the peer, as tables call it, with its version.
        packages: requirements, installed with all that they ask for.
        alone: requirements whose own demands are not met, because they cannot be met beside those above.
    """

    name: str
    packages: Sequence[str]
    alone: Sequence[str] = ()


RECHUB = Requirements("torch-rechub 0.9.0", (TORCH, "torch-rechub==0.9.0"))
RECBOLE = Requirements(
    "RecBole 1.2.1",
    # NumPy 2 has dropped names that it uses; what it asks for and SASRec does without (ray, hyperopt) is left out.
    (
        *(TORCH, "numpy==1.26.4", "pandas==2.3.3", "scipy==1.15.3", "scikit-learn", "tqdm", "pyyaml", "psutil"),
        *("colorlog==4.7.2", "colorama==0.4.4", "tensorboard", "thop", "tabulate", "plotly", "texttable"),
    ),
    ("recbole==1.2.1",),
)
IMPLICIT = Requirements("implicit 0.7.3", ("implicit==0.7.3",))
LENSKIT = Requirements("LensKit 2025.8.1", (TORCH, "lenskit==2025.8.1"))


def python_of(peer: Requirements) -> Path:
    """The interpreter of a peer's environment, which is made when it is first asked for.

    Raises:
        NotInstalled: it cannot be made; the message is pip's last line.
    """
    words = "\n".join([*peer.packages, "-", *peer.alone])
    stem = peer.name.split()[0].lower()
    folder = _root() / f"{stem}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"
    python, finished = folder / "bin" / "python", folder / "finished"
    if not finished.is_file():
        print(f"making an environment for {peer.name} (minutes)", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        install(python, peer.packages)
        if peer.alone:
            install(python, ["--no-deps", *peer.alone])
        finished.touch()
    return python


def install(python: Path, words: Sequence[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr[-300:]]
        raise NotInstalled(said[-1].strip())


def _root() -> Path:
    cache = os.environ.get("POLYSCENE_CACHE")
    root = (Path(cache) if cache else Path.home() / ".cache" / "polyscene") / "peers"
    return root / f"python{sys.version_info.major}.{sys.version_info.minor}"
