"""Peak memory of a training run in each of its phases, and what the activation store keeps per text.

    python -m benchmarks.memory.phases                      # 4 minutes on two quiet cores, network or filled cache
    python -m benchmarks.memory.phases --scenarios video

A process of its own makes the run of ``polyscene train``, with few steps, as memory does not grow with them, and
with an empty activation store, so that every text is encoded. At the beginning of each phase Linux is asked to
forget the peak of resident memory so far. The process begins at what importing takes, and what a phase leaves
behind counts in those after it.

The store's bytes are those of its files over the texts in them: pooled vectors of the run, and 16-bit states that
enter the last two layers, of 2,000 generated texts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = "python -m benchmarks.memory.phases"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FIVE = ("ecommerce", "video", "music", "social", "kg")
PHASES = ("import", "load", "encode", "build", "train", "settle", "evaluate", "report")
STAGES = {"data": "load", "fingerprint": "load", "encode": "encode", "train": "train", "evaluate": "evaluate"}
BUDGET_MB = 4_000
SAMPLE = 2_000


class Peaks:
    """The highest resident memory in each phase, in bytes; a phase inside another one counts for itself only."""

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}
        self._open = ["import"]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The span of a phase."""
        self._note()
        self._open[0] = "between"  # importing is over
        self._open.append(name)
        try:
            yield
        finally:
            self._note()
            self._open.pop()

    def _note(self) -> None:
        """Count the peak so far for the phase that goes on, and begin anew."""
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = 1024 * int(status.partition("VmHWM:")[2].split()[0])
        self.bytes[self._open[-1]] = max(peak, self.bytes.get(self._open[-1], 0))
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def watched_run(words: list[str]) -> dict[str, int]:
    """Peaks of ``polyscene train`` in this process by phase."""
    from polyscene.cli.app import main as polyscene
    from polyscene.training import models
    from polyscene.training.fit import Fitting
    from polyscene.training.reporter import Reporter
    from polyscene.training.run import _Run

    peaks = Peaks()

    def within(owner: Any, name: str, phase: str) -> None:
        original = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            with peaks.phase(phase):
                return original(*arguments, **options)

        setattr(owner, name, watched)

    stage = Reporter.stage

    @contextmanager
    def watched_stage(self: Reporter, name: str) -> Iterator[None]:
        with peaks.phase(STAGES.get(name, "evaluate")), stage(self, name):
            yield

    Reporter.stage = watched_stage
    within(models, "build_model", "build")
    within(Fitting, "_settle", "settle")
    within(_Run, "_write", "report")
    code = polyscene(words)
    if code:
        sys.exit(code)
    return peaks.bytes


def states_per_text() -> tuple[float, float]:
    """Bytes on disk of the states of a generated text, and its tokens."""
    from polyscene.backbone import Backbone, BackboneConfig
    from polyscene.data.access import DataAccess
    from polyscene.data.generated import generate

    texts = generate(users=50, items=SAMPLE, interactions=SAMPLE).items["text"].tolist()
    with tempfile.TemporaryDirectory() as empty:
        backbone = Backbone(BackboneConfig(tune="suffix"), DataAccess(), Path(empty), progress=False)
        backbone.token_states(texts)
        return stored_bytes(Path(empty)) / len(texts), float(backbone.token_counts(texts).mean())


def stored_bytes(cache: Path) -> int:
    """Size of the shards of all stores in a cache."""
    return sum(path.stat().st_size for path in (cache / "activations").rglob("*.safetensors"))


def main() -> int:
    """Measure, print and write ``results/memory_phases.json``; 1 if a phase takes more than the budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", nargs="*", default=list(FIVE), help="of the run; fewer write nothing")
    parser.add_argument("--watch", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        print(json.dumps(watched_run(given.watch)))
        return 0
    from benchmarks.speed.figures import Figures
    from polyscene.data.cache import cache_folder

    figures, names = Figures("memory_phases", COMMAND), ", ".join(given.scenarios)
    with tempfile.TemporaryDirectory() as folder:
        cache, run = Path(folder) / "cache", Path(folder) / "run"
        cache.mkdir()
        for kept in ("datasets", "charts"):  # fetched before; activations are not among them
            (cache_folder() / kept).mkdir(parents=True, exist_ok=True)
            (cache / kept).symlink_to(cache_folder() / kept)
        words = ["train", f"scenario=[{','.join(given.scenarios)}]", "trainer.steps=20", "trainer.eval_every=10"]
        words += ["trainer.accelerator=cpu", f"data.cache={cache}", f"run.dir={run}"]
        if not os.environ.get("POLYSCENE_DATA") and DATA.is_dir():
            words.append(f"data.root={DATA}")
        command = [sys.executable, "-m", "benchmarks.memory.phases", "--watch", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}\n{done.stderr}")
        peaks = json.loads(done.stdout.splitlines()[-1])
        texts = json.loads((run / "metrics.json").read_text("utf-8"))["backbone_texts"]
        pooled = stored_bytes(cache) / texts if texts else None
    for phase in PHASES:
        figures.add("peak of a run of polyscene train", names, phase, "MB", [peaks[phase] / 1e6])
    store = "activation store"
    if pooled is not None:  # scenarios without a text store none
        figures.add(store, names, "pooled vectors", "bytes per text", [pooled])
    states, tokens = states_per_text()
    figures.add(store, "generated", "states before the last two layers", "bytes per text", [states])
    figures.add(store, "generated", "states before the last two layers", "tokens per text", [tokens])
    figures.finish(whole=set(given.scenarios) == set(FIVE))
    return int(max(peaks.values()) > 1e6 * BUDGET_MB)


if __name__ == "__main__":
    sys.exit(main())
