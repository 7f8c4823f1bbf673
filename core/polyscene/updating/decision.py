"""Deciding: whether a model that learned takes the place of the one before, and why."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.updating.config import UpdateConfig
from polyscene.updating.kept import Compared
from polyscene.updating.replayed import Estimated


@dataclass(frozen=True)
class Decision:
    """What is to become of a scenario's update.

    Args:
        promote: whether it is taken.
        reasons: why, in sentences; what speaks against it first.
    """

    promote: bool
    reasons: tuple[str, ...]


def decide(
    kept: Compared | None, held: Compared | None, shown: Estimated, config: UpdateConfig, first: float | None
) -> Decision:
    """Weigh what was measured; whatever speaks against the new model is enough.

    Args:
        kept: both models on the run's validation rows; None where there are none.
        held: with and without what is to be taken, on the new rows that were held out.
        shown: what the lists of the log say.
        config: the budgets, and what must agree.
        first: the figure on the validation rows of the version before all updates; None for this one.
    """
    against = _forgetting(kept, config, first)
    if held is None:
        against.append("no two users have held-out rows, so nothing shows that it learned")
    elif held.new <= held.old:
        against.append(f"it is not better on held-out rows: {held.metric} {held.old:.4f}, now {held.new:.4f}")
    against += _lists(shown, config)
    if against:
        return Decision(promote=False, reasons=tuple(against))
    if config.promotion == "never":
        return Decision(promote=False, reasons=("promotion=never leaves it to people",))
    assert kept is not None
    assert held is not None
    measured = (
        f"{kept.metric} of kept rows is {kept.new:.4f} ({0.0 - kept.lost:+.1%}), within the budget of "
        f"{config.budget:.1%}; of held-out rows {held.new:.4f}, without it {held.old:.4f}"
    )
    lists = f"no estimate from lists: {shown.impossible}" if shown.impossible else _told(shown)
    return Decision(promote=True, reasons=(measured, lists))


def _forgetting(kept: Compared | None, config: UpdateConfig, first: float | None) -> list[str]:
    if kept is None:
        return ["no two users have validation rows, so forgetting cannot be measured"]
    found = []
    if kept.lost > config.budget:
        found.append(
            f"it forgets: {kept.metric} of kept rows falls by {kept.lost:.1%} to {kept.new:.4f} "
            f"(budget {config.budget:.1%})"
        )
    if first is not None and first > 0 and (first - kept.new) / first > config.budget_in_all:
        lost = (first - kept.new) / first
        found.append(
            f"all updates together forget: {kept.metric} of kept rows is {lost:.1%} below the first version's "
            f"(budget_in_all {config.budget_in_all:.1%})"
        )
    return found


def _lists(shown: Estimated, config: UpdateConfig) -> list[str]:
    if shown.impossible:
        needed = config.promotion == "both"
        return [f"promotion=both needs an estimate from lists: {shown.impossible}"] if needed else []
    if config.promotion == "kept_set" or shown.old is None or shown.new is None:
        return []
    least = shown.old["snips"] * (1 - config.budget)
    return [f"lists of the log disagree: {_told(shown)}"] if shown.new["snips"] < least else []


def _told(shown: Estimated) -> str:
    assert shown.old is not None
    assert shown.new is not None
    return (
        f"a list would bring {shown.new['snips']:.4f}, before {shown.old['snips']:.4f} "
        f"(SNIPS; difference {shown.low:+.4f} to {shown.high:+.4f})"
    )
