"""The experiments that run."""

from __future__ import annotations

import math

from fastapi import APIRouter

from polyscene.experiments.course import Look
from polyscene.experiments.report import ArmReport
from polyscene.experiments.sequences import Interval
from polyscene.experiments.split import Experiment
from polyscene.serving.access import needs
from polyscene.serving.routes.shared import KEYED, Serving, refusals
from polyscene.serving.schemas import ArmOut, Change, ExperimentOut, LookOut
from polyscene.serving.watching import Watched

router = APIRouter(
    prefix="/v1", tags=["experiments"], dependencies=[needs("admin")], responses=refusals(*KEYED, 503)
)


@router.get("/experiments", operation_id="experiments")
async def experiments(service: Serving) -> list[ExperimentOut]:
    """What experiments brought so far: the figures of `polyscene experiment report`. Look as often as you like."""
    return [_experiment(name, one) for name, one in (await service.experiments()).items()]


def _experiment(name: str, one: Watched) -> ExperimentOut:
    spec, report = one.spec, one.seen and one.seen.report
    arms = {arm.arm: arm for arm in report.arms} if report else {}
    shares = Experiment(name, {arm: given.weight for arm, given in spec.arms.items()}).shares
    courses = one.seen.courses if one.seen else {}
    return ExperimentOut(
        name=name,
        scenarios=spec.scenarios,
        reward=spec.reward,
        guardrails=spec.guardrails,
        window=spec.window,
        level=spec.level,
        ratio=report.ratio if report else None,
        moved=report.moved if report else 0,
        arms=[
            ArmOut(
                arm=arm,
                share=shares[arm],
                policy=given.policy.name if given.policy else None,
                version=given.version or None,
                **_figures(arms.get(arm)),
                course=[_look(look) for look in courses.get(arm, [])],
            )
            for arm, given in spec.arms.items()
        ],
        problem=one.problem,
    )


def _figures(arm: ArmReport | None) -> dict:
    if arm is None:
        return {"users": 0, "counted": 0, "lists": 0, "rates": {}, "changes": {}, "decision": "keep looking"}
    return {
        "users": arm.users,
        "counted": arm.counted,
        "lists": arm.lists,
        "rates": {kind: _finite(rate) for kind, rate in arm.rates.items()},
        "changes": {kind: Change(**_interval(change)) for kind, change in arm.changes.items()},
        "decision": arm.decision,
    }


def _look(look: Look) -> LookOut:
    return LookOut(time=look.time, users=look.users, **_interval(look.change))


def _interval(one: Interval) -> dict[str, float | None]:
    return {"estimate": _finite(one.estimate), "low": _finite(one.low), "high": _finite(one.high)}


def _finite(value: float) -> float | None:
    """JSON has no infinite and missing numbers."""
    return value if math.isfinite(value) else None
