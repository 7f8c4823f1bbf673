"""Starting: what is wrong is said at once, in words."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from polyscene.cli.app import main
from polyscene.errors import ConfigError
from polyscene.serving.config import ServeConfig
from polyscene.serving.startup import listen


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run=nowhere"], "there is no run 'nowhere'"),
        ([], "no version was promoted here, and no run is given"),
        (["--add"], "no run is given"),
        (["workers=two"], "'workers' is 'two'"),
        (["workers=2", "device=cuda"], "2 workers cannot share one GPU's memory"),
        (["promote=true"], "promote=true names no run"),
        (["host=0.0.0.0"], "can be reached from other machines, and there are no keys"),
        (["keys=none.json"], "there is no file of keys"),
        (["limits.batch=0"], "'limits.batch' is 0"),
        (["feedback=mongodb://x"], "mongodb"),
    ],
)
def test_mistakes(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["serve", "port=0", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_an_address_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: cannot listen there"):
            listen(ServeConfig(port=port))
