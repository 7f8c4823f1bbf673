"""Requests at random times over open connections, and how long each took from when it was due."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]
FAILED_S = 60.0
"""What a request counts that was not answered with 200."""


def request_bytes(path: str, body: dict[str, Any]) -> bytes:
    """A request as it goes over the wire."""
    content = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class Load:
    """Asks one server.

    Args:
        port: where it listens on this machine.
        requests: what is asked, over and over.
        connections: kept open; more requests at once wait for one.
    """

    def __init__(self, port: int, requests: Sequence[bytes], connections: int = 64) -> None:
        self.port, self.requests, self.connections = port, requests, connections

    def run(self, rate: float, seconds: float) -> list[float]:
        """Seconds that each request took, asked from another process at ``rate`` a second on average."""
        requests = [request.decode() for request in self.requests]
        given = json.dumps([self.port, requests, self.connections, rate, seconds])
        command = [sys.executable, "-m", "benchmarks.speed.load"]  # which imports nothing heavy
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, cwd=_REPOSITORY)
        return json.loads(done.stdout)


def main() -> None:
    """Ask as standard input says, and print how long each request took."""
    port, requests, connections, rate, seconds = json.load(sys.stdin)
    asked = [request.encode() for request in requests]
    print(json.dumps(asyncio.run(_ask(port, asked, connections, rate, seconds))))


async def _ask(port: int, requests: Sequence[bytes], connections: int, rate: float, seconds: float) -> list[float]:
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    draw, due, tasks = random.Random(0), time.perf_counter(), []
    end = due + seconds
    while due < end:
        due += draw.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(_one(free, requests[len(tasks) % len(requests)], due)))
    taken = await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait()[1].close()
    return taken


async def _one(free: asyncio.Queue, request: bytes, due: float) -> float:
    reader, writer = await free.get()
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        await reader.readexactly(int(fields.get(b"content-length", b"0")))
        return time.perf_counter() - due if b" 200 " in head.split(b"\r\n", 1)[0] else FAILED_S
    finally:
        free.put_nowait((reader, writer))


if __name__ == "__main__":
    main()
