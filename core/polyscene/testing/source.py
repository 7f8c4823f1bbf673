"""What must hold for every source of data: good files become tables, and damaged ones a message."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from polyscene.data.tables import Tables
from polyscene.errors import PolysceneError

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "without bytes": lambda content: b"",
    "cut in half": lambda content: content[: len(content) // 2],
    "cut in its first line": lambda content: content[:7],
    "with a broken last line": lambda content: content + b"one,two\tthree,",
    "of another kind": lambda content: bytes(range(256)) * 8,
}


class SourceSuite:
    """Tests of whatever turns files into tables: the ``load`` of a scenario, or a reader.

    A test class for a loader of a folder of CSV files::

        class TestFiles(SourceSuite):
            files = Path(__file__).parent / "small"

            def load(self, folder: Path) -> Tables:
                return polyscene_podcast.load(PodcastConfig(folder=str(folder)), DataAccess(offline=True))

    Attributes:
        files: a folder with small good files, as far as they do not come from :meth:`write`.
    """

    files: ClassVar[Path]

    def write(self, folder: Path) -> None:
        """Put good files into an empty folder; by default those of :attr:`files`."""
        shutil.copytree(self.files, folder, dirs_exist_ok=True)

    @abstractmethod
    def load(self, folder: Path) -> Tables:
        """The tables of the files in a folder."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with good files, to be damaged."""
        folder = tmp_path / "files"
        folder.mkdir()
        self.write(folder)
        return folder

    def test_the_same_files_give_the_same_tables(self, folder: Path) -> None:
        first, second = self.load(folder), self.load(folder)
        assert len(first.interactions) > 0, "there are no interactions"
        same = first.fingerprint() == second.fingerprint()
        assert same, "the same files give other rows, or another order: sort, and draw with a seed"

    def test_it_says_where_the_data_comes_from(self, folder: Path) -> None:
        sources = self.load(folder).sources
        assert sources, "give Tables(sources=...): one line each, where from and on what terms"
        assert all(sources), "an empty line in Tables.sources"

    def test_a_missing_file_is_named(self, folder: Path) -> None:
        for file in _files(folder):
            content = file.read_bytes()
            file.unlink()
            error = self._error(folder)
            named = error is None or file.name in str(error) or str(folder) in str(error)
            assert named, f"without {file.name} the message does not name it: {error}"
            file.write_bytes(content)

    @pytest.mark.parametrize("how", DAMAGES)
    def test_a_damaged_file_is_a_message_and_no_traceback(self, folder: Path, how: str) -> None:
        for file in _files(folder):
            content = file.read_bytes()
            file.write_bytes(DAMAGES[how](content))
            self._error(folder)
            file.write_bytes(content)

    def _error(self, folder: Path) -> PolysceneError | None:
        """What the loader complains about, if anything; other errors than ours fail the test."""
        try:
            self.load(folder)
        except PolysceneError as error:
            return error
        except Exception as error:
            raise AssertionError(
                f"{type(error).__name__} instead of a message: read files with read_csv, read_parquet or "
                "read_atomic, name the columns and types you need, and raise DataError for what they cannot see"
            ) from error
        return None


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
