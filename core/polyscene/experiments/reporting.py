"""The report of an experiment as its plan says how it is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.experiments.course import Look, course
from polyscene.experiments.durations import seconds
from polyscene.experiments.outcomes import Outcomes, Tally
from polyscene.experiments.plan import ExperimentSpec
from polyscene.experiments.report import Guardrail, Report, make_report
from polyscene.experiments.split import Experiment


@dataclass(frozen=True)
class Seen:
    """A report, and how it came to it.

    Args:
        report: as it is now.
        courses: of each arm but the control, what earlier looks would have said.
    """

    report: Report
    courses: Mapping[str, list[Look]]


def seen(name: str, spec: ExperimentSpec, outcomes: Outcomes) -> Seen:
    """What an experiment brought so far, see :func:`polyscene.experiments.report.make_report`."""
    shares = Experiment(name, {arm: one.weight for arm, one in spec.arms.items()}).shares
    guardrails = [Guardrail(kind, by) for kind, by in spec.guardrails.items()]
    report = make_report(
        outcomes, shares, reward=spec.reward, guardrails=guardrails, level=spec.level, planned=spec.planned
    )
    return Seen(report, courses_of(outcomes, report))


def courses_of(outcomes: Outcomes, report: Report) -> dict[str, list[Look]]:
    """The course of each arm but the control."""
    return {arm.arm: course(outcomes, report, arm.arm) for arm in report.arms[1:]}


def tally_of(name: str, spec: ExperimentSpec, early: int | None = None) -> Tally:
    """What gathers the users of an experiment; arguments as of :class:`Tally`."""
    return Tally(name, seconds(spec.window, "window"), early=early)
