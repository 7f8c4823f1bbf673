"""Gradients of balancers on two processes, each with rows of its own, kept for a test to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from polyscene.data.sampling import MixedSampler
from polyscene.training.balancers import Balancer
from polyscene.training.devices import launch_fabric
from polyscene.training.files import write_tensors
from tests.tiny import tiny_config
from tests.training.balancing import balancer, silent_step, step_gradients

NAMES = ("shop", "likes", "facts")
BALANCERS = ("upgrad", "gradnorm", "pcgrad", "uncertainty", "dwa")


def balancer_of(name: str) -> Balancer:
    """A balancer that remembers a batch at once, where it remembers anything."""
    return balancer(name, NAMES, **({"every": 1} if name == "dwa" else {}))


def batch_of(sampler: MixedSampler, rank: int) -> dict[str, Any]:
    """Rows of a process; the second one holds some of the scenarios only."""
    batch = sampler.draw(100 + rank)
    return batch if rank == 0 else {name: batch[name] for name in NAMES[1:]}


def state_of(one: Balancer) -> dict[str, Tensor]:
    """What a balancer learned and remembers, and the gradients of its parameters."""
    state = {f"balancer.{key}": tensor.float() for key, tensor in one.state_dict().items()}
    return state | {f"balancer.{key}.grad": p.grad for key, p in one.named_parameters() if p.grad is not None}


def balanced_steps(folder: Path) -> None:
    """One step of each balancer on this process's rows, written to ``NAME-RANK.safetensors``."""
    fabric = launch_fabric(tiny_config("", NAMES, "trainer.devices=2").trainer)
    step, sampler = silent_step(NAMES, "adapter=star", fabric=fabric)
    for name in BALANCERS:
        one = balancer_of(name)
        found = step_gradients(one, step, [batch_of(sampler, fabric.global_rank)])
        write_tensors(folder / f"{name}-{fabric.global_rank}.safetensors", found | state_of(one))
    fabric.barrier()
