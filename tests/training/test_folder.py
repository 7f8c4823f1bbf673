"""The run directory: what it says about the code, without touching the user's repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from polyscene.training import folder


def git(where: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    command = ["git", *identity, "-C", str(where), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that holds one committed file, in which the package is made to believe it lies."""
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("one = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setattr(folder, "__file__", str(tmp_path / "code.py"))
    return tmp_path


def test_the_state_is_the_commit_and_whether_there_are_changes(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert folder._git_state() == commit
    (checkout / "code.py").write_text("one = 2\n")
    assert folder._git_state() == commit + "+changes"


def test_asking_for_the_state_does_not_write_the_index(checkout: Path) -> None:
    """Git would, to note the file's new time; on a full disk its lock would stay and block the next commit."""
    index = checkout / ".git" / "index"
    os.utime(checkout / "code.py", (1_500_000_000, 1_500_000_000))
    before = index.read_bytes()
    folder._git_state()
    assert index.read_bytes() == before
    git(checkout, "status", "--porcelain")
    assert index.read_bytes() != before, "the file's new time did not matter, so this test shows nothing"


def test_outside_a_checkout_the_state_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "__file__", str(tmp_path / "code.py"))
    assert folder._git_state() == ""
