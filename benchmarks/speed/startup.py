"""How long people wait: for an import, for help, and for the first step of a training whose texts are encoded.

Every measurement is a process of its own, and kinds take turns; seconds of the clock, median of several.
``polyscene train`` is timed from the start of the process to the end of its first step, where it is stopped; its
texts come from the activation store, which a first start fills. Bytecode is kept from one start to the next, as it
is wherever a package is installed, even if the shell's environment says otherwise. Processor seconds of the same
starts stand beside, as other load on the machine moves those less.

    python -m benchmarks.speed.startup                      # 2 minutes on two quiet cores
    python -m benchmarks.speed.startup --starts 3 --scenarios video
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.speed.figures import Figures

FIVE = ("ecommerce", "video", "music", "social", "kg")
COMMANDS = {
    "import polyscene": ["-c", "import polyscene"],
    "import torch": ["-c", "import torch"],
    "polyscene --help": ["-m", "polyscene.cli.app", "--help"],
    "polyscene train --help": ["-m", "polyscene.cli.app", "train", "--help"],
}
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BYTECODE = {
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "polyscene-startup-bytecode"),
}
MARK = "first step done"
FIRST_STEP = f"""
import os, sys
from polyscene.cli.app import main
from polyscene.training.fit import Fitting

def first_step_done(self, *_):
    print({MARK!r}, flush=True)
    os._exit(0)

run = Fitting.run
def watched(self):
    self.progress.step = first_step_done
    return run(self)
Fitting.run = watched
sys.exit(main())
"""


def main() -> None:
    """Measure, print and write ``results/startup.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=7, help="starts of each (7)")
    parser.add_argument("--scenarios", nargs="*", help="only a training of these; nothing is written")
    given = parser.parse_args()
    sets = [tuple(given.scenarios)] if given.scenarios else [("video",), FIVE]
    figures = Figures("startup", "python -m benchmarks.speed.startup")
    with tempfile.TemporaryDirectory() as folder:
        commands = {} if given.scenarios else dict(COMMANDS)
        commands |= {f"first step of {', '.join(names)}": training(names, Path(folder)) for names in sets}
        for command, found in starts(commands, given.starts).items():
            for metric, values in zip(("seconds", "processor seconds"), zip(*found, strict=True), strict=True):
                figures.add("from the start of a process", "as shipped", command, metric, values)
    figures.finish(whole=not given.scenarios)


def training(names: tuple[str, ...], folder: Path) -> list[str]:
    """The arguments of Python for a training that ends with its first step."""
    words = ["train", f"scenario=[{','.join(names)}]", "trainer.accelerator=cpu", f"run.root={folder}"]
    if not os.environ.get("POLYSCENE_DATA") and DATA.is_dir():
        words.append(f"data.root={DATA}")
    return ["-c", FIRST_STEP, *words]


def starts(commands: dict[str, list[str]], times: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and processor seconds of each command, started in turns; a start of each before is not counted."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for turn in range(times + 1):
        for name, arguments in commands.items():
            taken = start(arguments)
            if turn:
                found[name].append(taken)
    return found


def start(arguments: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of one process.

    Raises:
        RuntimeError: it did not get to its end; the message has what it wrote.
    """
    before, started = _processor_seconds(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, **BYTECODE}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode or (FIRST_STEP in arguments and MARK not in done.stdout):
        raise RuntimeError(f"{' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return seconds, _processor_seconds() - before


def _processor_seconds() -> float:
    """Of all processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
