"""The rows of the matrix: which scenarios a model is trained on, and with which adapter and balancer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from polyscene.config.choice import Choice
from polyscene.config.transfer import REMEDIES, TransferConfig
from polyscene.training.strategy import JOINT, SINGLE, Plan

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Row:
    """One model for each seed. All of them hold all scenarios, so they begin with the same weights.

    Args:
        label: names the row in files and results: ``untrained``, ``single-video``, ``joint``,
            ``joint-adapter-bottleneck``.
        trained: the scenarios that it learns.
        part: what of the config it replaces, ``adapter`` or ``balancer``; empty for the config as it is.
        choice: by what.
    """

    label: str
    trained: tuple[str, ...]
    part: str = ""
    choice: Choice | None = None

    def config(self, config: TransferConfig, seed: int) -> TransferConfig:
        """The config of the row's model with a seed."""
        changed = {self.part: self.choice} if self.part else {}
        return replace(config, seed=seed, **changed)

    def plan(self, scenarios: tuple[str, ...]) -> Plan:
        """How the row's model is trained."""
        return Plan(self.label, self.label, scenarios, self.trained)


def rows_of(config: TransferConfig, scenarios: tuple[str, ...]) -> list[Row]:
    """All rows, in the order in which they are trained: the matrix first, then what may mend the joint model."""
    rows = [
        Row(UNTRAINED, ()),
        *(Row(f"{SINGLE}-{name}", (name,)) for name in scenarios),
        Row(JOINT, scenarios),
    ]
    for key, part in REMEDIES.items():
        own: Choice = getattr(config, part)
        labels: dict[str, int] = {}
        for choice in getattr(config, key):
            if choice.as_mapping() == own.as_mapping():
                continue
            label = f"{JOINT}-{part}-{choice.name}"
            labels[label] = labels.get(label, 0) + 1
            number = f"-{labels[label]}" if labels[label] > 1 else ""
            rows.append(Row(f"{label}{number}", scenarios, part, choice))
    return rows
