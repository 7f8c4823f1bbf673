"""What an update came to, for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from polyscene.updating.config import UpdateConfig
from polyscene.updating.kept import Compared
from polyscene.updating.run import Outcome
from polyscene.updating.scenario import Updated


def print_outcome(outcome: Outcome, config: UpdateConfig, console: Console) -> None:
    """Tables of what was learned and of what was passed over, reasons, and what serves now."""
    if outcome.updated:
        console.print(_measured(outcome))
    if any(outcome.passed.values()):
        console.print(_passed(outcome))
    for name, why in outcome.waits.items():
        console.print(f"{name}: {why}.", highlight=False, soft_wrap=True)
    for name, one in outcome.updated.items():
        verdict = "taken" if one.decision.promote else "not taken"
        console.print(
            f"{name}: {verdict}: " + "; ".join(one.decision.reasons) + ".", highlight=False, soft_wrap=True
        )
    console.print(_ending(outcome, config), highlight=False, soft_wrap=True)


def _measured(outcome: Outcome) -> Table:
    table = Table("scenario", "learned", "held out", "newcomers", "kept rows", "held-out rows", "lists")
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    for name, one in outcome.updated.items():
        held = int(one.prepared.held_X.sum())
        counts = (one.learned_rows, held, len(one.prepared.rows.newcomers))
        table.add_row(name, *(f"{count:,}" for count in counts), _pair(one.kept), _pair(one.held), _lists(one))
    table.caption = "before and after, with the interval of the difference over users"
    return table


def _pair(compared: Compared | None) -> str:
    if compared is None:
        return "-"
    return (
        f"{compared.metric} {compared.old:.4f} → {compared.new:.4f}\n"
        f"{compared.low:+.4f} to {compared.high:+.4f}, {compared.users:,} users"
    )


def _lists(one: Updated) -> str:
    told = one.lists
    same = f"{told.lists:,} lists, {told.same:.0%} begin the same"
    if told.old is None or told.new is None:
        return same if told.lists else "-"
    old, new = told.old, told.new
    estimates = f"SNIPS {old['snips']:.4f} → {new['snips']:.4f}, DR {old['dr']:.4f} → {new['dr']:.4f}"
    return f"{estimates}\n{told.low:+.4f} to {told.high:+.4f}, {same}"


def _passed(outcome: Outcome) -> Table:
    table = Table("scenario", "passed over", "events")
    table.columns[2].justify = "right"
    for name, reasons in outcome.passed.items():
        mended = outcome.updated[name].prepared.rows.mended if name in outcome.updated else 0
        for reason, count in reasons.items():
            table.add_row(name, reason, f"{count:,}")
        if mended:
            table.add_row(name, "learned from, at the time of the event before: impossible time", f"{mended:,}")
    return table


def _ending(outcome: Outcome, config: UpdateConfig) -> str:
    if not outcome.updated:
        return f"Nothing to learn from: version '{outcome.base}' stays as it is."
    if config.dry_run:
        return f"A dry run: nothing is written, version '{outcome.base}' serves."
    if outcome.promoted:
        return (
            f"Version '{outcome.version}' serves now in place of '{outcome.base}'. "
            f"To go back: polyscene rollback deployment={config.deployment}"
        )
    kept = f" '{outcome.version}' is kept beside it." if outcome.version else ""
    return f"Version '{outcome.base}' goes on serving.{kept}"
