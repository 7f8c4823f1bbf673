"""What a GPU changes: steps, encoding, meta-learning and search on each device that is here, in one process.

Training steps are those of ``polyscene train`` on five scenarios, on one of them, and with bf16; a step is timed
from one synchronization to the next over a turn of steps, and the devices take turns. Encoding is that of 17,632
names of artists through the activation store, from an empty one. MAML is that of ``benchmarks.speed.meta``. Search
is exact, for the best 100 of a million items with keys of 64 numbers, until the lists are here.

    python -m benchmarks.speed.devices
    python -m benchmarks.speed.devices --turns 5 --threads 4

Without a GPU the figures are those of the CPU, and a row says that none was at hand; what a machine with one has
measured is not overwritten.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.functional import mse_loss

from benchmarks.quality.protocols import RealData
from benchmarks.results import read_results, write_results
from benchmarks.speed.engine import Training
from benchmarks.speed.figures import figure_row
from benchmarks.speed.meta import RATE, ROWS, STEPS, _data, _head
from polyscene.backbone import Backbone
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.retrieval.best import Wanted
from polyscene.retrieval.exact import Exact
from polyscene.training.meta.inner import descend
from polyscene.training.session import Session

COMMAND = "python -m benchmarks.speed.devices"
FIVE = "scenario=[ecommerce,video,music,social,kg]"
TRAININGS = {
    "five scenarios": (FIVE,),
    "five scenarios, bf16": (FIVE, "trainer.precision=bf16-mixed"),
    "video": ("scenario=[video]",),
    "video, 16,384 rows": ("scenario=[video]", "trainer.batch_rows=16384"),
}
EPISODES = (32, 1024)
ITEMS, WIDTH, BEST, REQUESTS = 1_000_000, 64, 100, (1, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="timings of each (7)")
    parser.add_argument("--steps", type=int, default=5, help="steps of a timing (5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the CPU (2)")
    parser.add_argument("--only", nargs="*", help="parts: steps, encoding, meta, search; nothing is written then")
    given = parser.parse_args()
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    torch.set_num_threads(given.threads)
    parts = {"steps": training, "encoding": encoding, "meta": meta, "search": search}
    rows: list[dict[str, Any]] = []
    for name in given.only or parts:
        rows += parts[name](devices, given)
    found = torch.cuda.get_device_name() if len(devices) > 1 else "none at hand"
    rows.append(_row("GPUs", found, "cuda", "GPUs", [len(devices) - 1]))
    show(rows)
    kept = any(row["metric"] == "GPUs" and row["mean"] for row in read_results().get("devices", []))
    if devices == ["cpu"] and kept:
        Console().print("no GPU here: the figures of another machine that has one are kept")
    elif not given.only:
        write_results("devices", rows)


def training(devices: list[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds of a training step, and rows a second."""
    rows = []
    for label, overrides in TRAININGS.items():
        on: dict[str, tuple[Callable[[int], None], int]] = {
            device: stepping(device, given.threads, *overrides) for device in devices
        }
        for step, _ in on.values():
            timed(step, 3)
        seconds: dict[str, list[float]] = {device: [] for device in devices}
        for _turn in range(given.turns):
            for device, (step, _) in on.items():
                seconds[device].append(timed(step, given.steps) / given.steps)
        for device, (_, count) in on.items():
            protocol = f"training step of {count} rows, {given.threads} CPU threads"
            rows += [
                _row(protocol, label, device, "seconds", seconds[device]),
                _row(protocol, label, device, "rows a second", [count / value for value in seconds[device]]),
            ]
    return rows


def stepping(device: str, threads: int, *overrides: str) -> tuple[Callable[[int], None], int]:
    """A training on a device, step by step, and its rows in a step."""
    data = RealData()
    lines = [*overrides, f"data.root={data.root}", f"trainer.threads={threads}", f"trainer.accelerator={device}"]
    own = Training(resolve_train(compose("train", lines, data.host), data.host), data.host)

    def one(number: int) -> None:
        own.step(number)

    return one, own.config.trainer.batch_rows


def encoding(devices: list[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Texts a second through an empty store."""
    data = RealData()
    config = resolve_train(compose("train", ["scenario=[music]", f"data.root={data.root}"], data.host), data.host)
    session = Session(config, data.host, torch.device("cpu"), say=lambda _: None)
    names = session.load().scenarios["music"].tables.items["title"].astype(str).tolist()
    rows = []
    for device in devices:
        found = []
        for turn in range(1 + (min(given.turns, 3) if device == "cuda" else 1)):
            with tempfile.TemporaryDirectory() as empty:
                backbone = Backbone(config.backbone, session.access, Path(empty), torch.device(device))
                started = time.perf_counter()
                backbone.embed(names if turn else names[:512])  # the first turn loads and warms up
                found.append(len(names) / (time.perf_counter() - started))
        protocol = f"{len(names)} names through the backbone into an empty store, loading included"
        rows.append(_row(protocol, "music", device, "texts a second", found[1:]))
    return rows


def meta(devices: list[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds of an outer gradient of second-order MAML, all episodes at once."""
    rows = []
    for count in EPISODES:
        for device in devices:
            step = partial(_outer, _head().to(device), *(tensor.to(device) for tensor in _data(count)))
            timed(lambda _, step=step: step(), 3)
            seconds = [timed(lambda _, step=step: step(), given.steps) / given.steps for _ in range(given.turns)]
            protocol = f"second-order MAML, {STEPS} inner steps, {ROWS} + {ROWS} rows"
            rows.append(_row(protocol, f"{count} tasks", device, "seconds", seconds))
    return rows


def search(devices: list[str], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds until the lists of some users are on the host."""
    generator = torch.Generator().manual_seed(0)
    key_Ne = torch.randn(ITEMS, WIDTH, generator=generator)
    rows = []
    for device in devices:
        index = Exact(key_Ne.to(device), torch.zeros(ITEMS, device=device))
        for count in REQUESTS:
            query_Be = torch.randn(count, WIDTH, generator=generator).to(device)
            wanted = Wanted(BEST, torch.arange(count, device=device))

            def once(
                _: int, index: Exact = index, query_Be: torch.Tensor = query_Be, wanted: Wanted = wanted
            ) -> None:
                index.search(query_Be, wanted).item_BK.cpu()

            timed(once, 3)
            seconds = [timed(once, given.steps) / given.steps for _ in range(given.turns)]
            protocol = f"the best {BEST} of {ITEMS:,} items, exact"
            rows.append(_row(protocol, f"{count} users", device, "seconds", seconds))
    return rows


def _outer(head: nn.Module, x_ERd: torch.Tensor, y_ER: torch.Tensor) -> None:
    losses = vmap(lambda fast, x_Rd, y_R: mse_loss(functional_call(head, fast, (x_Rd,)).squeeze(-1), y_R))
    head.zero_grad()
    fast = descend(
        lambda now: losses(now, x_ERd[:, :ROWS], y_ER[:, :ROWS]),
        dict(head.named_parameters()),
        len(x_ERd),
        RATE,
        STEPS,
        second_order=True,
    )
    losses(fast, x_ERd[:, ROWS:], y_ER[:, ROWS:]).mean().backward()


def timed(step: Callable[[int], None], count: int) -> float:
    """Seconds of some steps, waiting for the device before and after."""
    _synchronize()
    started = time.perf_counter()
    for number in range(count):
        step(number)
    _synchronize()
    return time.perf_counter() - started


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _row(protocol: str, scenario: str, device: str, metric: str, values: list[float]) -> dict[str, Any]:
    return figure_row(protocol, scenario, device, metric, values, command=COMMAND)


def show(rows: list[dict[str, Any]]) -> None:
    """The figures, a line each."""
    table = Table("what", "scenario", "device", "metric", "median", "std")
    for row in rows:
        spread = "" if row["std"] is None else f"{row['std']:.3g}"
        table.add_row(row["protocol"], row["scenario"], row["method"], row["metric"], f"{row['mean']:.4g}", spread)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
