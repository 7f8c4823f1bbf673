"""A real server in a process of its own, and what a deployment of it looks like."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from polyscene.serving.client import Client

REPOSITORY = Path(__file__).resolve().parents[3]
ENTRY = "[polyscene.plugins]\nserved = tests.serving.http.served_plugin\n"
_PATIENCE_S = 240


def write_site(folder: Path) -> Path:
    """What pip would leave of the plugin of these tests, in a folder for ``PYTHONPATH``."""
    info = folder / "polyscene_served-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: polyscene-served\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(ENTRY)
    return folder


class Server:
    """``polyscene serve`` with a free port, from when it says that it serves until it is stopped."""

    def __init__(
        self, site: Path, deployment: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.deployment = deployment
        environment = {
            **os.environ,
            "PYTHONPATH": f"{site}{os.pathsep}{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "POLYSCENE_PLUGINS": "served",
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        command = ["serve", f"deployment={deployment}", "port=0", "device=cpu", *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "polyscene.cli.app", *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._ready = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()
        if not self._ready.wait(_PATIENCE_S) or not self.url:
            self.kill()
            raise AssertionError("the server did not start:\n" + "".join(self.said))

    @property
    def url(self) -> str:
        """Where it serves; empty if it does not."""
        found = re.search(r"Serving version .* at (http://\S+)", "".join(self.said))
        return found[1] if found else ""

    def client(self, key: str | None = None) -> Client:
        """A client that waits until the server answers."""
        return Client(self.url, timeout=60, patience=120, key=key)

    def children(self, pid: int | None = None) -> list[int]:
        """The processes that a process of it started; the first one where none is given."""
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(pid or self.process.pid)], capture_output=True, check=False
        )
        return [int(one) for one in listed.stdout.split()]

    def stop(self) -> int:
        """End it as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE_S)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(_PATIENCE_S)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Serving version"):
                self._ready.set()
        self._ready.set()


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)
