"""Servers in processes of their own: a served run, and a handler that returns a constant."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).resolve().parents[2]
_PATIENCE_S = 240
_CONSTANT = """
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.post("/v1/recommend")
async def constant() -> dict[str, list[str]]:
    return {"items": ["a", "b", "c"]}
@app.get("/healthz")
async def alive() -> str:
    return "ok"
uvicorn.run(app, port=%d, log_level="warning", access_log=False)
"""


class Process:
    """A server from when it answers until the block ends.

    Args:
        command: what starts it.
        port: where it listens; None reads it from what it prints.
        packages: a folder for ``PYTHONPATH``.
    """

    def __init__(self, command: list[str], port: int | None, packages: Path = REPOSITORY) -> None:
        paths = f"{packages}{os.pathsep}{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        environment = {**os.environ, "PYTHONPATH": paths, "POLYSCENE_PLUGINS": "many", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        self.port = port or self._said()
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5).read()
                break
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def _said(self) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"Serving version .*:(\d+)$", line):
                return int(found[1])
        raise RuntimeError("the server did not start")


class Service(Process):
    """``polyscene serve`` of a run of :mod:`benchmarks.speed.many`, or of what its deployment promoted last."""

    def __init__(self, run: Path | None, deployment: Path, *arguments: str) -> None:
        self.deployment = deployment
        packages = Path(tempfile.mkdtemp(dir=deployment.parent))
        info = packages / "polyscene_many-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: polyscene-many\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text("[polyscene.plugins]\nmany = benchmarks.speed.many\n")
        given = [f"deployment={deployment}", "port=0", "device=cpu", "limits.rate=0", *arguments]
        given += [] if run is None else [f"run={run}"]
        super().__init__([sys.executable, "-m", "polyscene.cli.app", "serve", *given], None, packages)


class Constant(Process):
    """A handler that returns a constant."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__([sys.executable, "-c", _CONSTANT % port], port)


def proportional_mib(pid: int) -> float:
    """Memory of a process and those below it, what several share counted once (Linux)."""
    return sum(_proportional_mib(one) for one in (pid, *processes_below(pid)))


def processes_below(pid: int) -> list[int]:
    """The children of a process, theirs, and so on (Linux)."""
    found: list[int] = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError):  # it has just ended
            found += [int(child), *processes_below(int(child))]
    return found


def _proportional_mib(pid: int) -> float:
    own = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert own is not None
    return int(own[1]) / 1024
