"""What a method costs: time, memory, parameters, and texts through the backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from polyscene.comparison.runs import Run


@dataclass(frozen=True)
class Quantity:
    """One kind of cost: its heading and its unit, empty for plain numbers."""

    title: str
    unit: str = ""


COSTS: Mapping[str, Quantity] = {
    "seconds": Quantity("training", "s"),
    "memory": Quantity("peak memory", "MiB"),
    "parameters": Quantity("trainable parameters"),
    "adapter_size": Quantity("parameters of an adapter"),
    "forwards": Quantity("texts through the backbone"),
}
"""The costs by the name that ``--sort`` and ``--filter`` know."""


def costs(runs: Sequence[Run], method: str) -> dict[str, float]:
    """Means over runs, by the keys of :data:`COSTS`; other methods than the runs' own have their time only."""
    found = {"seconds": [seconds for run in runs if (seconds := _seconds(run, method)) is not None]}
    own = [run.metrics for run in runs if run.own_method == method]
    found["memory"] = [metrics["memory_mb"] for metrics in own]
    found["parameters"] = [metrics["parameters"]["trainable"] for metrics in own]
    adapters = [list(metrics["parameters"]["adapters"].values()) for metrics in own]
    found["adapter_size"] = [fmean(sizes) for sizes in adapters if sizes]
    found["forwards"] = [metrics["backbone_texts"] for metrics in own if "backbone_texts" in metrics]
    return {name: fmean(values) for name, values in found.items() if values}


def _seconds(run: Run, method: str) -> float | None:
    """Seconds in all scenarios; those over all domains of a scenario are in those of the domains."""
    metrics = run.metrics
    spent = [
        methods[method]
        for name, methods in metrics.get("method_seconds", {}).items()
        if name in metrics["sources"] and method in methods
    ]
    return sum(spent) if spent else None
