"""What ``polyscene doctor`` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.config.datasets import declared_datasets
from polyscene.config.folder import conf_dir
from polyscene.data.access import DataAccess
from polyscene.registry.host import Host, load_host

_PACKAGES = ("polyscene", "torch", "transformers", "peft", "lightning-fabric", "hydra-core", "pandas", "pyarrow")
_LITTLE_DISK = 2 << 30  # bytes; the quickstart fetches and computes about half of this
Line = tuple[str, str, bool]


def examine() -> int:
    """Print the state of this installation; returns 1 if something is wrong with it, else 0."""
    host = load_host()
    assert host.registry is not None  # loads the components, whose faults count as well
    sections = {
        "Versions": list(_versions()),
        "Machine": list(_machine()),
        "Folders": list(_folders()),
        "Data sets": list(_data(host)),
        "Plugins": list(_plugins(host)),
    }
    table = Table(show_header=False, box=None, pad_edge=False)
    for title, lines in sections.items():
        table.add_row(Text(title, style="bold"))
        for what, shown, good in lines:
            table.add_row(
                f"  {what}", Text(shown if good else f"{shown}  <- mend this", style="" if good else "red")
            )
    Console().print(table)
    return 0 if all(good for lines in sections.values() for _, _, good in lines) else 1


def _versions() -> Iterator[Line]:
    yield "python", platform.python_version(), True
    for name in _PACKAGES:
        try:
            yield name, importlib.metadata.version(name), True
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed", False


def _machine() -> Iterator[Line]:
    yield "system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors", True
    yield "torch threads", str(torch.get_num_threads()), True
    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    yield "device", ", ".join(devices) or "cpu", True


def _folders() -> Iterator[Line]:
    access = DataAccess(offline=True)
    yield "configs", str(conf_dir()), True
    shown = str(access.root) if access.root else "not set (POLYSCENE_DATA or data.root)"
    yield "data", shown, access.root is None or access.root.is_dir()
    place = next(folder for folder in (access.cache, *access.cache.parents) if folder.exists())
    writable, free = os.access(place, os.W_OK), shutil.disk_usage(place).free
    size = sum(file.stat().st_size for file in access.cache.rglob("*") if file.is_file())
    yield "cache", f"{access.cache} ({_gigabytes(size)}{'' if writable else ', not writable'})", writable
    yield "free disk", _gigabytes(free), free > _LITTLE_DISK
    runs = Path("runs").resolve()
    yield (
        "runs",
        f"{runs}{'' if os.access(runs if runs.exists() else runs.parent, os.W_OK) else ' (not writable)'}",
        (os.access(runs if runs.exists() else runs.parent, os.W_OK)),
    )


def _data(host: Host) -> Iterator[Line]:
    datasets = declared_datasets(host)
    access = DataAccess(offline=True, datasets=datasets)
    for name in datasets:
        yield name, access.status(name), True


def _plugins(host: Host) -> Iterator[Line]:
    for record in host.records:
        shown = f"{record.status} ({record.source})"
        yield record.name, f"{shown}: {record.reason}" if record.reason else shown, record.status != "broken"


def _gigabytes(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
