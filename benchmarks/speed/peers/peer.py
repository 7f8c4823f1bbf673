"""A peer at work: a process in its own environment that takes turns with ours."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.peers.environments import Requirements, python_of

WORKERS = Path(__file__).parent / "workers"
_TAIL = 1500


class Peer:
    """A worker of ``workers/``, asked one thing after another; use as a context manager.

    Args:
        requirements: the peer.
        worker: the worker's file name without its suffix.
        arguments: its command line.

    Raises:
        NotInstalled: there is no environment for the peer here.
    """

    def __init__(self, requirements: Requirements, worker: str, *arguments: object) -> None:
        self.name = requirements.name
        self._folder = tempfile.TemporaryDirectory()  # libraries leave logs where they are
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  (closed with the process)
        self._process = subprocess.Popen(
            [str(python_of(requirements)), "-E", str(WORKERS / f"{worker}.py"), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            cwd=self._folder.name,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """The worker's answer.

        Raises:
            RuntimeError: it ended instead; the message has the last that it said.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self._end(seconds=10)  # it may be writing why
            self._said.seek(0)
            raise RuntimeError(f"{self.name} ended at '{what}':\n{self._said.read()[-_TAIL:]}") from None

    def __enter__(self) -> Peer:
        return self

    def _end(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __exit__(self, *_: object) -> None:
        self._end(seconds=0)
        self._process.communicate()
        self._said.close()
        self._folder.cleanup()


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write what a worker reads."""
    named: Any = dict(arrays)
    np.savez(path, **named)
    return path
