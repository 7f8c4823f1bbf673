"""Requests at random times over open connections, and how long each took from when it was due."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

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
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            given = (self.port, self.requests, self.connections, rate, seconds)
            return pool.submit(_run, *given).result()


def _run(port: int, requests: Sequence[bytes], connections: int, rate: float, seconds: float) -> list[float]:
    return asyncio.run(_ask(port, requests, connections, rate, seconds))


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
