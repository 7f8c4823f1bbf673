"""The part of :mod:`benchmarks.speed.retrieval` that asks a trained model: from user ids to lists."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from benchmarks.speed.figures import Figures
from benchmarks.speed.latency import add_percentiles, in_turns
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.evaluation.serving import served
from polyscene.registry.host import load_host
from polyscene.retrieval import Best, RetrievalConfig, Retriever
from polyscene.training.assembly import build_model
from polyscene.training.fit import Fitting, Progress
from polyscene.training.session import Session, prepare_torch

SCENARIOS = ("video", "music", "ecommerce", "social")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def measure_model(figures: Figures, k: int, users: int, rounds: int, steps: int) -> None:
    """One user and many users of several scenarios, without priors and with them.

    With priors the weights stay as they start, which costs the same.
    """
    for method, priors in (("without priors", False), ("with priors", True)):
        retriever = build(priors=priors, steps=0 if priors else steps)
        measure(figures, retriever, method, k=k, users=users, rounds=rounds, steps=steps)


def measure(
    figures: Figures, retriever: Retriever, method: str, *, k: int, users: int, rounds: int, steps: int
) -> None:
    """One user of the first scenario, and many of all."""
    scenarios = retriever.served
    sizes = ", ".join(f"{name} {one.events.n_items:,}" for name, one in scenarios.items())
    place = f"a model trained for {steps} steps, from user ids to lists, k = {k}, one thread", f"items: {sizes}"
    generator, first = torch.Generator().manual_seed(0), next(iter(scenarios))
    drawn = {
        name: torch.randint(one.events.n_users, (users // len(scenarios),), generator=generator)
        for name, one in scenarios.items()
    }
    user = cycle(drawn[first].split(1))
    one, many = f"{method}, one user", f"{method}, {users} users of {len(scenarios)} scenarios"
    times = in_turns({one: lambda: find(retriever, {first: next(user)}, k)}, rounds, 100)
    times |= in_turns({many: lambda: find(retriever, drawn, k)}, rounds, 3)
    for side, times_RM in times.items():
        add_percentiles(figures, *place, side, times_RM)
    if not retriever.indexes:
        return
    lists = Retriever(retriever.model, scenarios, RetrievalConfig(approximate_above=1))
    true, found = find(retriever, drawn, k), find(lists, drawn, k)
    for name in scenarios:
        hit_BKK = found[name].item_BK.unsqueeze(2) == true[name].item_BK.unsqueeze(1)
        shares = hit_BKK.any(dim=1).float().mean(dim=1).tolist()
        figures.add(*place, f"{method}, approximate, {name}", f"recall@{k}", shares)


def find(retriever: Retriever, users: Mapping[str, Tensor], k: int) -> dict[str, Best]:
    """Lists for users of several scenarios."""
    return retriever.find({name: retriever.query(name, user_B) for name, user_B in users.items()}, k)


def build(*, priors: bool, steps: int) -> Retriever:
    """A retriever of a model that was trained for so many steps."""
    host = load_host()
    overrides = [f"scenario=[{','.join(SCENARIOS)}]", "trainer.threads=1", "trainer.accelerator=cpu"]
    overrides += [f"model.priors={str(priors).lower()}", f"trainer.steps={max(1, steps)}"]
    if not os.environ.get("POLYSCENE_DATA") and DATA.is_dir():
        overrides.append(f"data.root={DATA}")
    config = resolve_train(compose("train", overrides, host), host)
    prepare_torch(config)
    fabric = Fabric(accelerator="cpu", devices=1)
    session = Session(config, host, fabric.device, say=lambda _: None)
    found = session.load()
    loaded, (model, learned) = found.scenarios, build_model(session, found)
    subjects = {name: session.subject(name, one) for name, one in loaded.items()}
    if steps:
        rows = config.trainer.batch_rows
        with tempfile.TemporaryDirectory() as folder:
            Fitting(model, learned, config, loaded, subjects, fabric, Path(folder), Progress(), rows).run()
    asked = {name: served(subject, loaded[name].config.max_history) for name, subject in subjects.items()}
    return Retriever(model.eval(), asked)
