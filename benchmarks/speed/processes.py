"""Two processes train one model: do they take the steps of one, and how many rows a second are there?

Both start from the same weights, on 5 generated scenarios with the default model, gloo, one thread each. First the
gradient of a step: two processes with a batch each, averaged by DDP, against one process that goes through both
batches; nothing random, the distance relative to the gradient's norm. The same with the parameters divided between
the processes (FSDP2, ``fully_shard``; scalars stay whole). Then rows a second: turns of one process alone and of
two, each in fresh processes, by the clock; the ideal of two is twice what one does.

    python -m benchmarks.speed.processes                    # 3 minutes on two quiet cores
    python -m benchmarks.speed.processes --rounds 3
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from benchmarks.speed.engine import Training
from benchmarks.speed.figures import Figures
from benchmarks.speed.many import config_of, host
from benchmarks.speed.step import without_dropout
from polyscene.data.windows import Windows
from polyscene.training.devices import launch_fabric
from polyscene.training.step import step_losses

SCENARIOS, ROWS, STEPS, WARM_UP = 5, 4_096, 12, 3
TOLERANCE = 1e-5
TORCHRUN = ["-m", "torch.distributed.run", "--standalone"]

Gradients = dict[str, Tensor]
Batch = Mapping[str, Windows]


def main() -> None:
    """Verify, time, print and write ``results/processes.json``; a gradient that differs ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="pairs of timings (7)")
    parser.add_argument("--part", choices=["distance", "speed"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        found = {"distance": distances, "speed": rows_a_second}[given.part]()
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(found))
        return
    figures = Figures("processes", "python -m benchmarks.speed.processes")
    for way, distance in _started(2, "distance").items():
        figures.add("gradient of 2 processes against 1", "5 generated", way, "relative distance", [distance])
        if distance > TOLERANCE:
            sys.exit(f"{way}: the gradient of two processes differs from that of one by {distance:.1e}")
    alone, both = [], []
    for turn in range(given.rounds):
        for count in (1, 2) if turn % 2 else (2, 1):
            (alone if count == 1 else both).append(_started(count, "speed")["rows a second"])
    protocol = f"training steps of {ROWS:,} rows a process, {STEPS} in a row, one thread each"
    for label, values in (("1 process", alone), ("2 processes", both)):
        figures.add(protocol, "5 generated", label, "rows a second", values)
    shares = [two / (2 * one) for two, one in zip(both, alone, strict=True)]
    figures.add(protocol, "5 generated", "2 processes", "share of the ideal", shares)
    figures.finish(whole=True)


def _started(count: int, part: str) -> dict[str, float]:
    """What the first of some processes says.

    Raises:
        RuntimeError: they failed; the message has what they wrote.
    """
    words = [sys.executable, *TORCHRUN, f"--nproc-per-node={count}", "-m", "benchmarks.speed.processes"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*words, "--part", part], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def training() -> Training:
    """The training of this process, one of as many as torchrun started."""
    plugins = host()
    count = int(os.environ.get("WORLD_SIZE", "1"))
    config = config_of(plugins, SCENARIOS, f"trainer.batch_rows={ROWS}", f"trainer.devices={count}")
    return Training(config, plugins, launch_fabric(config.trainer))


def rows_a_second() -> dict[str, float]:
    """Rows that all processes together learn from in a second."""
    own = training()
    for number in range(WARM_UP):
        own.step(number)
    own.fabric.barrier()
    started = time.perf_counter()
    for number in range(WARM_UP, WARM_UP + STEPS):
        own.step(number)
    own.fabric.barrier()
    return {"rows a second": own.fabric.world_size * ROWS * STEPS / (time.perf_counter() - started)}


def distances() -> dict[str, float]:
    """How far the gradients of both ways over two processes are from that of one, in parts of its norm."""
    own = training()
    silent: nn.Module = without_dropout(own.model)
    initial = copy.deepcopy(silent)
    own.sampler.seed = own.config.seed  # a process would draw rows of its own: here each must know both batches
    batches = [own.sampler.draw(100 + rank) for rank in range(2)]
    wrapped = own.wrapped.train()
    own.fabric.backward(_loss(own, wrapped, batches[own.fabric.global_rank]))
    by_ddp = _gradients(silent)
    one = copy.deepcopy(initial).train()
    torch.stack([_loss(own, one, batch) for batch in batches]).mean().backward()
    divided = copy.deepcopy(initial).train()
    whole = [parameter for parameter in divided.parameters() if parameter.ndim == 0]  # FSDP divides no scalars
    fully_shard(divided, mesh=init_device_mesh("cpu", (2,)), ignored_params=set(whole))
    _loss(own, divided, batches[own.fabric.global_rank]).backward()
    own.context.average_gradients(whole)
    return {"DDP": _distance(by_ddp, _gradients(one)), "FSDP2": _distance(_gradients(divided), _gradients(one))}


def _loss(own: Training, model: nn.Module, batch: Batch) -> Tensor:
    losses = step_losses(model, batch, own.context.weights)
    return torch.stack(list(losses.values())).mean()


def _gradients(model: nn.Module) -> Gradients:
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: (g.full_tensor() if isinstance(g, DTensor) else g).detach() for name, g in found.items()}


def _distance(found: Gradients, expected: Gradients) -> float:
    """Norm of the difference over the norm; infinite where a parameter has a gradient in one only."""
    if found.keys() != expected.keys():
        return float("inf")
    difference = sum(float((found[name] - expected[name]).square().sum()) for name in expected)
    return (difference / sum(float(g.square().sum()) for g in expected.values())) ** 0.5


if __name__ == "__main__":
    main()
