"""Nothing is ever half-written."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from polyscene.data.files import atomic_path, write_error
from polyscene.errors import CheckpointError, DataError


def test_success_replaces_the_old_file(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("one", "two"):
        with atomic_path(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
    assert [child.name for child in path.parent.iterdir()] == ["file.txt"]


def test_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(path)
    assert path.read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file.txt"]


def _write_and_fail(path):
    with atomic_path(path) as temporary:
        temporary.write_text("half of")
        _ = 1 / 0


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission denied"), (errno.EROFS, "read-only")],
)
def test_the_system_refuses(tmp_path, number, said):
    path = tmp_path / "file.txt"
    with (
        pytest.raises(CheckpointError, match=rf"file\.txt: cannot write: .*{said}.*"),
        atomic_path(path, CheckpointError),
    ):
        raise OSError(number, "refused")
    assert list(tmp_path.iterdir()) == []


def test_parent_is_a_file(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(DataError, match="cannot write"), atomic_path(tmp_path / "taken" / "file.txt"):
        pass


def test_unknown_reason_is_told(tmp_path):
    assert "strange" in str(write_error(OSError(9999, "strange"), tmp_path))


LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write past the limit fails as on a full disk
import numpy as np
from polyscene.data.generated import write_generated
from polyscene.data.splits import Split, save_split
from polyscene.errors import DataError
rows = 400_000
split = Split(np.zeros(rows, np.int8), np.zeros(3, bool), np.zeros(3, bool), "", True, "")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write in (lambda: save_split(Path(sys.argv[1]) / "split.safetensors", split),
              lambda: write_generated(Path(sys.argv[1]), 100, 100, 200_000)):
    try:
        write()
    except DataError as error:
        print("DataError", "cannot write" in str(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are a POSIX notion")
def test_disk_full_while_writing(tmp_path):
    (tmp_path / "split.safetensors").write_text("the old split")
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "DataError True\nDataError True\n", done.stderr
    assert (tmp_path / "split.safetensors").read_text() == "the old split"
    assert sorted(child.name for child in tmp_path.iterdir()) == [
        "items.parquet",
        "split.safetensors",
        "users.parquet",
    ]
