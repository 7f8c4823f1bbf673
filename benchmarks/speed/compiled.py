"""Does torch.compile of the sequence model pay? The seconds of the first steps, and a step against one without it.

Two generated scenarios, the default model, 2,048 rows, one thread; TorchInductor's cache is empty at first. The
whole forward cannot be compiled once and for all: it looks tensors of a batch up by identity, so every batch is a
new program, and after eight of them TorchDynamo leaves the work to eager PyTorch.

    python -m benchmarks.speed.compiled                     # 1 minute on two quiet cores; needs a C++ compiler
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import torch

from benchmarks.speed.engine import Training, take_turns
from benchmarks.speed.figures import Figures
from benchmarks.speed.many import config_of, host

COLD_STEPS = 3


def main() -> None:
    """Measure, print and write ``results/compiled.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of timings (9)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    plugins = host()
    config = config_of(plugins, 2, "trainer.batch_rows=2048")
    eager, compiled = Training(config, plugins), Training(config, plugins)
    compiled.model.sequence.compile(dynamic=True)
    figures = Figures("compiled", "python -m benchmarks.speed.compiled")
    protocol = "training step, 2,048 rows, one thread"
    with tempfile.TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        for label, side in (("eager", eager), ("compiled sequence model", compiled)):
            started = time.perf_counter()
            for number in range(COLD_STEPS):
                side.step(number)
            taken = [time.perf_counter() - started]
            figures.add(protocol, "2 generated", label, f"seconds of the first {COLD_STEPS} steps", taken)
        seconds = take_turns({"eager": eager.step, "compiled": compiled.step}, given.rounds, 4)
    ratios = [one / other for one, other in zip(seconds["compiled"], seconds["eager"], strict=True)]
    figures.add(protocol, "2 generated", "compiled sequence model", "time against eager", ratios)
    figures.finish(whole=True)


if __name__ == "__main__":
    main()
