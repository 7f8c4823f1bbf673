"""The options of ``polyscene adapt``: a trained run, a scenario, and how many of its rows are labelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from polyscene.config.compose import composer, first_values
from polyscene.config.overrides import check_overrides
from polyscene.config.schema import DataConfig
from polyscene.config.validate import bounded, from_mapping
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host

ALL = "all"
Shots = int | Literal["all"]
Control = Literal["no_adaptation", "scratch", "popularity"]


@dataclass
class LearnConfig:
    """How a model learns from shots."""

    steps: int = bounded(60, at_least=0)
    """Optimizer steps; each sees all shots, or ``batch`` of them."""
    lr: float = bounded(0.01, at_least=0)
    """Peak learning rate of AdamW; it rises over a tenth of the steps and falls as a cosine."""
    weight_decay: float = bounded(0.01, at_least=0)
    """Decoupled weight decay of AdamW."""
    pull: float = bounded(0.0, at_least=0)
    """How strongly weights are drawn back to where they started: w <- w - lr * pull * (w - w0)
    [L2-SP, Li et al., ICML'18]."""
    encoders_from: int = bounded(1000, at_least=0)
    """Labelled rows from which the scenario's encoders and vectors of ids learn too. With fewer, only its adapters
    and tasks do: what a few rows say of a handful of items must not change how all others are read."""
    batch: int = bounded(256, at_least=1)
    """Shots in a step at most. With all rows labelled, steps see as many rows as a step of the run's training."""


@dataclass
class AdaptConfig:
    """One command, checked as far as it can be without the run."""

    run: str
    """A run directory, or ``latest``."""
    scenario: dict[str, dict[str, Any]]
    """The new scenario with its options."""
    shots: list[Shots] = field(default_factory=lambda: [16])
    """Numbers of labelled rows, ``all`` for every row; the new run keeps the model of the last one."""
    draws: list[int] = field(default_factory=lambda: [0])
    """Draws of rows, over which the spread is; the new run keeps the first one."""
    controls: list[Control] = field(default_factory=lambda: ["no_adaptation", "scratch", "popularity"])
    """What stands beside the adapted model: the start without adaptation, the same model trained on the shots
    alone, and popularity counted on them."""
    learn: LearnConfig = field(default_factory=LearnConfig)
    dataset: dict[str, Any] = field(default_factory=dict)
    """Data sets that the scenario brings."""
    data: DataConfig = field(default_factory=DataConfig)
    device: str = "auto"
    """Device: ``auto``, ``cpu``, ``cuda``."""
    threads: int | None = bounded(None, at_least=1)
    """Threads of torch; null leaves torch's own choice."""
    into: str = ""
    """Folder of the new run; empty makes one in ``root``."""
    root: str = "runs"
    """Folder of all runs, in which ``latest`` looks."""

    @property
    def name(self) -> str:
        """The new scenario."""
        return next(iter(self.scenario))


def prepare_adapt(given: Iterable[str], host: Host) -> AdaptConfig:
    """The checked config of a command line.

    Args:
        given: what was typed.
        host: the plugins.

    Raises:
        ConfigError: everything that is wrong, in one message.
    """
    problems = Problems("config")
    with composer(host):
        checked = check_overrides("adapt", given, host, problems)
        mapping = first_values("adapt", checked)
    config = check_adapt(mapping, problems, chosen="scenario" not in checked.refused)
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


def check_adapt(mapping: Mapping[str, Any], problems: Problems, *, chosen: bool = True) -> AdaptConfig | None:
    """As :func:`prepare_adapt`, from composed values, adding what is wrong to ``problems``.

    Args:
        mapping: the composed config.
        problems: receives what is wrong.
        chosen: False where the choice of the scenario was refused before.
    """
    before = len(problems.found)
    values = {**mapping, "scenario": (mapping.get("scenario") or {}) if chosen else {}}
    values["shots"] = _listed(values.get("shots"))
    draws = values.get("draws")
    values["draws"] = list(range(draws)) if isinstance(draws, int) and not isinstance(draws, bool) else draws
    scenarios = list(values["scenario"])
    if chosen and len(scenarios) != 1:
        problems.add(
            f"one scenario is added at a time, not {len(scenarios)}",
            fix="give scenario=NAME; to add several, adapt the new run again",
        )
    config = from_mapping(AdaptConfig, values, problems)
    if config is None:
        return None
    _check_lists(config, problems)
    return config if len(problems.found) == before else None


def _check_lists(config: AdaptConfig, problems: Problems) -> None:
    if not config.shots:
        problems.add("'shots' is empty", fix="give one number or several, as in shots=[1,16,64]")
    if not config.draws:
        problems.add("'draws' names no draw", fix="give a number of draws, as in draws=10, or a list of them")
    for key, values in (("shots", config.shots), ("draws", config.draws)):
        if len(set(values)) < len(values):
            problems.add(f"'{key}' names a value twice: {values}", fix="give different ones")
        for value in values:
            if isinstance(value, int) and value < 0:
                problems.add(f"'{key}' has {value}", fix="use 0 or more")
    if config.shots != sorted(config.shots, key=lambda count: float("inf") if count == ALL else count):
        problems.add(
            f"'shots' is not in ascending order: {config.shots}", fix="the new run keeps the last of them"
        )


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]
