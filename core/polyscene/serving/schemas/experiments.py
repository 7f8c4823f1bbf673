"""Bodies that tell how experiments go."""

from __future__ import annotations

from pydantic import Field

from polyscene.serving.schemas.words import Out

_CHANGE = "the arm's rate minus the control's; null where nothing is known, bounds for too few users"


class Change(Out):
    """How an arm differs from the control, with bounds that hold at all looks together."""

    estimate: float | None = Field(description=_CHANGE)
    low: float | None
    high: float | None


class LookOut(Change):
    """What a look at that time would have said."""

    time: float = Field(description="unix seconds")
    users: int = Field(description="of both arms, observed for the whole window")


class ArmOut(Out):
    """One side of an experiment."""

    arm: str
    share: float = Field(description="of those who take part")
    policy: str | None = Field(description="null: the scenario's")
    version: str | None = Field(description="null: the promoted one")
    users: int
    counted: int = Field(description="users observed for the whole window, who alone count")
    lists: int = Field(description="shown to those within the window")
    rates: dict[str, float | None] = Field(
        description="by kind of reaction, the mean over users of the lists' share"
    )
    changes: dict[str, Change] = Field(description="by kind of reaction; empty for the control")
    decision: str
    course: list[LookOut] = Field(description="of the reaction that decides, the latest look last")


class ExperimentOut(Out):
    """An experiment that runs."""

    name: str
    scenarios: list[str] = Field(description="empty: all")
    reward: str = Field(description="the kind of reaction that decides")
    guardrails: dict[str, float]
    window: str = Field(description="how long each user is observed")
    level: float = Field(description="how often any interval may miss, at any time")
    ratio: float | None = Field(
        description="p-value of the sample-ratio check, good at any look; null: nobody yet"
    )
    moved: int = Field(description="users seen in several arms, who are left out")
    arms: list[ArmOut] = Field(description="the control first")
    problem: str = Field(description="why nothing can be said, where it cannot")
