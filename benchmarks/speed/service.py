"""A served run under load, beside a FastAPI handler that returns a constant, on one machine in the same minutes.

Five generated scenarios; requests come at random times at a given rate whether or not earlier ones were answered,
and latency counts from when a request was due (no coordinated omission). Turns of both servers alternate. Then the
rate rises until one request in a hundred takes 100 ms or longer. Memory is the proportional set size of all
processes of a server after requests to every scenario, with one worker and with four, before and after another
version took over.

    python -m benchmarks.speed.service                    # 5 minutes on two quiet cores
    python -m benchmarks.speed.service --items 2000 --seconds 3 --rounds 1 --users 200
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.speed import many
from benchmarks.speed.figures import Figures
from benchmarks.speed.load import Load, request_bytes
from benchmarks.speed.served import Constant, Service, proportional_mib
from polyscene.serving.client import Client
from polyscene.serving.deployment import Deployment
from polyscene.training.run import train

SCENARIOS, K = 5, 10
RATE, LIMIT_MS = 50, 100.0
RATES = (100, 150, 200, 300, 400, 600, 800, 1200, 1600)
WORKERS = 4
_PATIENCE_S = 300


def main() -> None:
    """Train, serve, measure, print and write ``results/service.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000, help="items of each scenario (100,000)")
    parser.add_argument("--users", type=int, default=5_000, help="users of each scenario (5,000)")
    parser.add_argument("--seconds", type=float, default=8.0, help="seconds of a turn (8)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each server at 50 requests a second (7)")
    arguments = parser.parse_args()
    whole = all(
        getattr(arguments, name) == parser.get_default(name) for name in ("items", "users", "seconds", "rounds")
    )
    figures = Figures("service", "python -m benchmarks.speed.service")
    with tempfile.TemporaryDirectory() as folder:
        measure(figures, Path(folder), arguments)
    figures.finish(whole=whole)


def measure(figures: Figures, folder: Path, arguments: argparse.Namespace) -> None:
    """All figures."""
    run = trained(folder / "run", arguments.items, arguments.users)
    names = many.NAMES[:SCENARIOS]
    users = [f"u{n:0{len(str(arguments.users - 1))}}" for n in range(arguments.users)]
    asked = [
        request_bytes(
            "/v1/recommend", {"scenario": names[n % SCENARIOS], "user": users[n * 7 % len(users)], "k": K}
        )
        for n in range(1000)
    ]
    sizes = f"{SCENARIOS} scenarios of {arguments.items:,} items, {arguments.users:,} users each"
    with Service(run, folder / "deployment") as service, Constant() as constant:
        sides = {"service": Load(service.port, asked), "constant": Load(constant.port, asked)}
        for load in sides.values():
            load.run(RATE, 2.0)
        times: dict[str, list[list[float]]] = {name: [] for name in sides}
        for turn in range(arguments.rounds):
            for name in sorted(sides, reverse=turn % 2 == 1):
                times[name].append(sides[name].run(RATE, arguments.seconds))
        protocol = f"{RATE} requests a second, k = {K}, one worker, from when a request was due"
        for name, turns in times.items():
            for share in (50, 95, 99):
                figures.add(protocol, sizes, name, f"p{share} ms", [percentile(turn, share) for turn in turns])
        for name, load in sides.items():
            best = limit(load, arguments.seconds)
            figures.add(f"most requests a second at p99 < {LIMIT_MS:g} ms, one worker", sizes, name, "1/s", [best])
        one = (
            proportional_mib(service.process.pid),
            exchanged(service, folder / "deployment", run, sides["service"]),
        )
    with Service(run, folder / "four", f"workers={WORKERS}") as service:
        load = Load(service.port, asked, connections=32)
        load.run(RATE, max(4.0, arguments.seconds))
        four = proportional_mib(service.process.pid), exchanged(service, service.deployment, run, load, WORKERS)
    for when, alone, together in zip(("", ", after another version took over"), one, four, strict=True):
        protocol = f"memory after requests to all scenarios, proportional set size{when}"
        figures.add(protocol, sizes, "1 worker", "MiB", [alone])
        figures.add(protocol, sizes, f"{WORKERS} workers", "MiB", [together])
        figures.add(protocol, sizes, f"{WORKERS} workers", "times one worker", [together / alone])


def exchanged(service: Service, deployment: Path, run: Path, load: Load, workers: int = 1) -> float:
    """Memory in MiB when all workers answer with a copy of the run.

    Raises:
        TimeoutError: not all of them do after minutes.
    """
    copy = shutil.copytree(run, deployment.parent / "copy", dirs_exist_ok=True)
    version = Deployment(str(deployment)).adopt(copy, by="benchmark")
    address, end = f"http://127.0.0.1:{service.port}", time.monotonic() + _PATIENCE_S
    with Client(address, timeout=_PATIENCE_S) as client:
        client.promote(version)
    serving = f'polyscene_model{{version="{version}"}} {workers}.0'
    while serving not in urllib.request.urlopen(f"{address}/metrics", timeout=60).read().decode():
        if time.monotonic() > end:
            raise TimeoutError(f"not all of {workers} workers answer with '{version}'")
        time.sleep(1.0)
    load.run(RATE, 4.0)
    return proportional_mib(service.process.pid)


def trained(folder: Path, items: int, users: int) -> Path:
    """A run of a few steps: what it says means nothing, what it costs does."""
    host = many.host()
    config = many.config_of(
        host, SCENARIOS, "trainer=smoke", f"run.dir={folder}",
        items=items, users=users, interactions=20 * users,
    )  # fmt: skip
    return train(config, host)


def percentile(values: list[float], share: int) -> float:
    """A percentile in milliseconds."""
    return statistics.quantiles(values, n=100)[share - 1] * 1000


def limit(load: Load, seconds: float) -> float:
    """The highest of the rates, one after the other, at which the 99th percentile stays below the limit."""
    best = 0.0
    for rate in (RATE, *RATES):
        found = load.run(rate, seconds / 2)
        if percentile(found, 99) >= LIMIT_MS:
            break
        best = float(rate)
    return best


if __name__ == "__main__":
    main()
