"""The options of ``polyscene update`` and ``polyscene rollback``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from polyscene.config.schema import DataConfig
from polyscene.config.validate import bounded
from polyscene.errors import ConfigError, did_you_mean
from polyscene.feedback import REACTIONS

Promotion = Literal["auto", "kept_set", "both", "never"]


@dataclass
class LearnConfig:
    """How a scenario's own parts learn from new rows: adapters and heads."""

    steps: int = bounded(100, at_least=1)
    """Optimizer steps."""
    lr: float = bounded(0.003, at_least=0)
    """Peak learning rate of AdamW; it rises over a tenth of the steps and falls as a cosine."""
    batch: int = bounded(256, at_least=1)
    """Rows of a step, new and replayed ones."""
    encoders: bool = False
    """Whether encoders and vectors of ids that are the scenario's alone learn too: more is learned, and forgotten.
    Other scenarios stay as they are, but a router may know rows of this one less well."""
    replay: float = bounded(1.0, at_least=0)
    """Old training rows that are learned from again beside each new one, drawn by seed; 0 replays none."""
    distill: float = bounded(1.0, at_least=0)
    """Weight of the loss that keeps scores of old rows where the old model had them; 0 leaves it out."""
    remembered: int = bounded(2000, at_least=1)
    """Old rows whose scores by the old model are kept for that, at most."""


@dataclass
class OffPolicyConfig:
    """How lists of the log tell what the new model's lists would bring."""

    reward: str = "click"
    """The kind of reaction to a shown item that counts as success."""
    lists: int = bounded(2000, at_least=1)
    """Logged lists that are looked at, the latest."""
    clip: float | None = bounded(None, at_least=1)
    """The largest weight of a shown item; null clips none."""

    def __post_init__(self) -> None:
        if self.reward not in REACTIONS:
            raise ConfigError(f"there is no kind '{self.reward}'", fix=did_you_mean(self.reward, REACTIONS))


@dataclass
class UpdateConfig:
    """``polyscene update``: the promoted model learns from new feedback."""

    run: str = ""
    """A run directory, or ``latest``: what a new deployment begins with; empty updates what was promoted last."""
    deployment: str = "deployment"
    """Folder of the deployment, as of ``polyscene serve``."""
    scenario: list[str] = field(default_factory=list)
    """Scenarios to update; empty for all that have new feedback."""
    feedback: str = ""
    """The feedback log: a path or ``postgresql://USER@HOST/NAME``; empty is the deployment's ``feedback.db``."""
    kinds: list[str] = field(default_factory=lambda: ["click", "purchase", "rating", "view"])
    """Kinds of reactions that are learned from as something that the user had or liked. Where a task judges rows,
    skips are negatives; where it ranks, there is no such row, and they are passed over."""
    positive_from: float | None = None
    """Ratings below this are passed over where a task ranks; null learns from all, as training does."""
    count: bool = True
    """Whether what priors and popularity count follows the feedback. Where what was learned is not taken, counting
    alone is, if held-out rows are ranked better by it."""
    least: int = bounded(50, at_least=1)
    """New rows of a scenario with which it is worth to begin."""
    held: float = bounded(0.2, at_least=0.01, at_most=0.9)
    """Share of the new rows, the latest in the log, on which old and new model are compared; the next update
    learns from them."""
    budget: float = bounded(0.02, at_least=0)
    """Forgetting: how much NDCG@10 (AUC, where rows are judged) may fall on the run's validation rows, relative to
    the version before."""
    budget_in_all: float = bounded(0.05, at_least=0)
    """The same relative to the version that the first update began with, over all updates since."""
    kept_users: int = bounded(2000, at_least=2)
    """Users of the validation rows and of the held-out rows that are asked, at most, evenly spaced."""
    promotion: Promotion = "auto"
    """What must agree before a version is promoted: ``kept_set`` alone (validation rows and held-out feedback),
    ``both`` (the off-policy estimate as well), ``auto`` (both where the log allows an estimate), or ``never``
    (write the version, and leave the promoting to people)."""
    keep_refused: bool = False
    """Keep a version that is not promoted, to look at or to promote by hand."""
    seed: int = 0
    """Of what is drawn: replayed rows and the order of rows."""
    learn: LearnConfig = field(default_factory=LearnConfig)
    offpolicy: OffPolicyConfig = field(default_factory=OffPolicyConfig)
    dry_run: bool = False
    """Learn, measure and decide, and change nothing."""
    device: str = "auto"
    """Device: ``auto``, ``cpu``, ``cuda``."""
    data: DataConfig = field(default_factory=DataConfig)
    root: str = "runs"
    """Folder that ``latest`` looks in."""

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in REACTIONS or kind == "skip":
                raise ConfigError(
                    f"'{kind}' is no kind that says what a user had or liked",
                    where="kinds",
                    fix=did_you_mean(kind, [one for one in REACTIONS if one != "skip"]),
                )


@dataclass
class RollbackConfig:
    """``polyscene rollback``: the version that served before serves again."""

    deployment: str = "deployment"
    """Folder of the deployment."""
    why: str = ""
    """The reason, for the audit."""
