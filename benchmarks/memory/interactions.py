"""Bytes and seconds per interaction, from the Parquet file to an epoch of training windows.

    python -m benchmarks.memory.interactions
    python -m benchmarks.memory.interactions --millions 1 2 4 --no-results

Generated rows (user, item, rating, time) are written to a temporary folder, block by block. For every size a
fresh process reads them, makes and checks the tables, splits them (leave one out), builds the events, lets the
tables go and looks up as many windows as cover every training row once. Its peak resident memory and its seconds
are noted after each step; the slope of the peak over the number of rows (least squares) is the cost of an
interaction, free of what imports cost. All sizes take 3 minutes on two quiet cores, 3 GB and 1 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BUDGET = 40.0  # bytes per interaction
STEPS = ("read", "tables", "split", "events", "epoch")
ITEMS = 20_000
ROWS_PER_USER = 100
WINDOW, WINDOWS_PER_BATCH = 50, 1024
COMMAND = "python -m benchmarks.memory.interactions"


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Peak resident bytes and seconds of this process after each of :data:`STEPS` on the data in ``folder``."""
    # Imported here: the parent process, which imports this module too, must stay small.
    import resource

    import torch

    from polyscene.data.build import build_events
    from polyscene.data.generated import generate
    from polyscene.data.sampling import WindowSampler, step_generator
    from polyscene.data.scenario import Scenario
    from polyscene.data.sources import read_parquet
    from polyscene.data.splits import LeaveOneOut, SplitConfig
    from polyscene.data.tables import Tables

    torch.set_num_threads(1)
    unit = 1 if sys.platform == "darwin" else 1024
    peak: dict[str, float] = {}
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def note(step: str) -> None:
        seconds[step] = time.perf_counter() - started
        peak[step] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    frames = {name: read_parquet(folder / f"{name}.parquet") for name in ("items", "users", "interactions")}
    note("read")
    tables = Tables(frames["items"], frames["interactions"], frames["users"], value="rating")
    del frames
    note("tables")
    split = LeaveOneOut(SplitConfig()).split(tables)
    note("split")
    events = build_events(tables, split, Scenario("generated", load=lambda config, data: generate()))
    note("events")
    del tables, split
    sampler = WindowSampler(events, WINDOW)
    for step in range(sampler.n_rows // (WINDOW * WINDOWS_PER_BATCH) + 1):
        sampler.draw(WINDOWS_PER_BATCH, step_generator(0, step, "cpu"))
    note("epoch")
    return {"peak": peak, "seconds": seconds}


def measure_apart(rows: int) -> dict[str, dict[str, float]]:
    """:func:`measure` in a process of its own, on ``rows`` generated interactions."""
    from polyscene.data.generated import write_generated

    with tempfile.TemporaryDirectory() as folder:
        write_generated(Path(folder), users=rows // ROWS_PER_USER, items=ITEMS, interactions=rows)
        command = [sys.executable, "-m", "benchmarks.memory.interactions", "--measure", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def slopes(peaks: dict[int, dict[str, float]]) -> dict[str, float]:
    """Bytes per interaction after each step: the least squares slope of the peak over the rows."""
    rows = np.array(list(peaks), dtype=np.float64)
    return {step: float(np.polyfit(rows, [peak[step] for peak in peaks.values()], 1)[0]) for step in STEPS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[0.1, 1, 5, 20, 50], help="in million rows")
    parser.add_argument("--no-results", action="store_true", help="do not write benchmarks/results")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure)))
        return 0
    peaks: dict[int, dict[str, float]] = {}
    seconds: dict[int, dict[str, float]] = {}
    heading = "".join(f"{step:>10}" for step in STEPS)
    print(f"million rows  {heading}   peak MB after each step{heading}   seconds")
    for millions in arguments.millions:
        rows = int(millions * 1e6)
        found = measure_apart(rows)
        peaks[rows], seconds[rows] = found["peak"], found["seconds"]
        memory = "".join(f"{peaks[rows][step] / 1e6:>10.0f}" for step in STEPS)
        times = "".join(f"{seconds[rows][step]:>10.1f}" for step in STEPS)
        print(f"{millions:>12g}  {memory}{'':26}{times}", flush=True)
    slope = slopes(peaks)
    print("bytes per row " + "".join(f"{slope[step]:>10.1f}" for step in STEPS) + f"   budget {BUDGET:g}")
    if not arguments.no_results:
        from benchmarks.speed.figures import Figures

        figures = Figures("memory_interactions", COMMAND)
        protocol, method = "generated rows, Parquet to one epoch of windows", "one process"
        every = f"{min(peaks) / 1e6:g} to {max(peaks) / 1e6:g} million"
        figures.add(protocol, every, method, "bytes per interaction", [round(slope["epoch"], 2)])
        for rows in peaks:
            size = f"{rows / 1e6:g} million"
            figures.add(protocol, size, method, "peak MB", [peaks[rows]["epoch"] / 1e6])
            for step in ("events", "epoch"):
                figures.add(protocol, size, method, f"seconds to the end of {step}", [seconds[rows][step]])
        figures.finish(whole=True)
    return int(slope["epoch"] > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
