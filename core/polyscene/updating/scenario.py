"""One scenario's update: rows, learning, and both models on what neither learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyscene.data.phases import Phase
from polyscene.evaluation.evaluator import TOP
from polyscene.evaluation.subject import Subject
from polyscene.feedback import Impression
from polyscene.model import PolysceneModel
from polyscene.serving.reactions.laying import counted_with
from polyscene.serving.reactions.reading import Feedback, Row
from polyscene.serving.reactions.rows import NewRows, rows_of
from polyscene.tasks.task import PairTask, Task
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session
from polyscene.updating.config import UpdateConfig
from polyscene.updating.decision import Decision, decide
from polyscene.updating.joining import Joined, bind_rows, join, settle_in, subject_of, with_arrivals
from polyscene.updating.kept import Compared, compare, figures
from polyscene.updating.learning import Learned, learn_rows
from polyscene.updating.replayed import Estimated, Lists, Placed, estimate, lists_of, place

Arrived = Sequence[Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Prepared:
    """A scenario with its new rows.

    Args:
        loaded: its data with the items that came.
        feedback: what is new.
        rows: all that the log ever told; of what is new, rows are learned from or held out.
        held_X: bool, which are held out.
        after: number of the last event that earlier updates learned from.
        counted: number of the last event that the version before counts.
        passed: how many events are passed over, by reason.
        people: whether users are among the items.
        waits: why nothing is learned; empty where something is.
    """

    loaded: LoadedScenario
    feedback: Feedback
    rows: NewRows
    held_X: np.ndarray
    passed: Counter[str]
    people: bool
    waits: str
    after: int = 0
    counted: int = 0

    @property
    def new_X(self) -> np.ndarray:
        """bool ``[X]``: the rows that no update learned from."""
        return self.rows.number_X > self.after

    @property
    def learned_to(self) -> int:
        """Number of the last event that is learned from."""
        return int(self.rows.number_X[~self.held_X][-1])


@dataclass(frozen=True)
class Updated:
    """What one scenario's update came to.

    Args:
        prepared: its rows.
        kept, held: old and new model on validation rows and on held-out rows.
        lists: what the lists of the log say.
        decision: whether it is taken.
        learned: what learning changed.
        counted: number of the last event that the new version counts.
        counts_alone: whether it is the old model that is taken, with new counts.
    """

    prepared: Prepared
    kept: Compared | None
    held: Compared | None
    lists: Estimated
    decision: Decision
    learned: Learned
    counted: int
    counts_alone: bool = False

    @property
    def learned_rows(self) -> int:
        """How many new rows the version learned from."""
        return 0 if self.counts_alone else int((self.prepared.new_X & ~self.prepared.held_X).sum())


def cannot_learn(model: PolysceneModel, name: str, loaded: LoadedScenario) -> str:
    """Why a scenario does not learn from feedback; empty where it does."""
    task = model.main_task(name)
    if loaded.part is not None:
        return "a domain is part of a scenario: train that again"
    if not task.from_history:
        return "its task is not about users"
    if task.reads_together:
        return "its task reads user and item as one text"
    if not task.reads_past:
        return "its task reads no sequence of what users did"
    return ""


def prepare(
    session: Session,
    task: Task,
    loaded: LoadedScenario,
    feedback: Feedback,
    *,
    earlier: Sequence[Row] = (),
    after: int = 0,
    counted: int = 0,
    arrived: Arrived,
    config: UpdateConfig,
) -> Prepared:
    """A scenario's new rows, of which the latest are held out, and those that are known from before.

    Args:
        session: config and plugins of the run.
        task: the scenario's first task.
        loaded: the run's data.
        feedback: what came after ``after``.
        earlier: what came until then.
        after: number of the last event that earlier updates learned from.
        counted: number of the last event that the version before counts.
        arrived: items that came.
        config: what is passed over, and how much is held out.
    """
    name, passed = loaded.scenario.name, Counter(feedback.passed)
    loaded = with_arrivals(loaded, arrived)
    people = session.subject(name, loaded).own_item_U is not None
    found = [*earlier, *feedback.rows]
    rows = rows_of(found, loaded, task, passed, people=people, positive_from=config.positive_from, after=after)
    count = int((rows.number_X > after).sum())
    held = max(1, round(config.held * count))
    held_X = np.arange(len(rows)) >= len(rows) - held
    waits = "" if count >= config.least else f"{count} new rows, fewer than least={config.least}"
    return Prepared(loaded, feedback, rows, held_X, passed, people, waits, after, counted)


def update_scenario(
    session: Session,
    model: PolysceneModel,
    prepared: Prepared,
    config: UpdateConfig,
    *,
    own_items: int,
    first: float | None,
    progress: Callable[[int], None],
) -> Updated:
    """Let a model in eval mode learn, and measure it before and after.

    Args:
        session: config, plugins and backbone of the run.
        model: the old model; it holds what was learned afterwards, if that is taken.
        prepared: the new rows.
        config: how to learn and decide.
        own_items: number of items of the run's data, among which kept rows are ranked.
        first: the figure on kept rows of the version that the first update began with, if that is not this one.
        progress: receives the number of finished steps.
    """
    shown = prepared.feedback.shown[-config.offpolicy.lists :]
    others = () if prepared.people else _users(shown)
    joined = join(prepared.loaded, prepared.rows, prepared.held_X, others, after=prepared.after)
    settle_in(session, model, joined)
    lists = lists_of(joined, shown, prepared.feedback.brought, config.offpolicy.reward)
    measure = Measure(session, model, joined, config, own_items)
    before, counted = prepared.counted, max(prepared.counted, prepared.learned_to * config.count)
    kept_before, held_before, placed_before = measure.kept(), measure.held(before), measure.placed(lists, before)
    held_counted, metric = measure.held(counted), measure.metric
    bind_rows(session, model, joined, joined.learned)
    # Rows that are learned from must not be among those that are counted.
    model.observe(measure.name, subject_of(session, joined, None).events, Phase)
    learned = learn_rows(
        model, joined, config.learn, rated=prepared.rows.rated, seed=config.seed, progress=progress
    )
    held_after, placed_after, kept_after = measure.held(counted), measure.placed(lists, before), measure.kept()
    kept, held = compare(metric, kept_before, kept_after), compare(metric, held_before, held_after)
    told = estimate(lists, placed_before, placed_after, config.offpolicy.clip)
    # What was learned has to add to what counting brings by itself.
    decision = decide(kept, compare(metric, held_counted, held_after), told, config, first)
    updated = Updated(prepared, kept, held, told, decision, learned, counted)
    if decision.promote:
        return updated
    learned.undo()
    if counted == before or config.promotion == "never":
        return updated
    kept, held = compare(metric, kept_before, kept_before), compare(metric, held_before, held_counted)
    # Of earlier lists it is counted what they brought.
    late = [(number, one) for number, one in shown if number > counted]
    lists = lists_of(joined, late, prepared.feedback.brought, config.offpolicy.reward)
    told = estimate(lists, measure.placed(lists, before), measure.placed(lists, counted), config.offpolicy.clip)
    alone = decide(kept, held, told, config, first)
    if not alone.promote:
        return updated
    against = (f"not what was learned, as {reason}" for reason in decision.reasons)
    said = Decision(promote=True, reasons=(f"counted alone: {alone.reasons[0]}", *alone.reasons[1:], *against))
    return Updated(prepared, kept, held, told, said, learned, counted, counts_alone=True)


@dataclass
class Measure:
    """Measures one model in eval mode, as often as it is asked.

    Args:
        session: config, plugins and backbone of the run.
        model: the model, which knows all items and users.
        joined: the scenario.
        config: how many users are asked.
        own_items: number of items of the run's data, among which kept rows are ranked.
    """

    session: Session
    model: PolysceneModel
    joined: Joined
    config: UpdateConfig
    own_items: int

    def __post_init__(self) -> None:
        self.name, self.length = self.joined.loaded.scenario.name, self.joined.loaded.config.max_history
        judges = isinstance(self.model.main_task(self.name), PairTask)
        self.metric = "auc" if judges else f"ndcg@{TOP}"

    def kept(self) -> dict[int, float]:
        """By user, on the validation rows of the run, from what was known before them."""
        bind_rows(self.session, self.model, self.joined, None)
        subject = subject_of(self.session, self.joined, None)
        self.model.observe(self.name, subject.events, (Phase.TRAIN, Phase.KNOWN))
        return figures(self.model, subject, self.length, limit=self.config.kept_users, n_items=self.own_items)

    def held(self, counted: int) -> dict[int, float]:
        """By user, on new rows that are held out.

        Args:
            counted: number of the last event that is counted beside the run's data, as in serving.
        """
        subject = self._with_new_rows(counted)
        return figures(self.model, subject, self.length, limit=self.config.kept_users)

    def placed(self, lists: Lists, counted: int) -> Placed:
        """What the model would have shown in place of lists of the log; ``counted`` as for :meth:`held`."""
        return place(self.model, self._with_new_rows(counted), self.joined, lists)

    def _with_new_rows(self, counted: int) -> Subject:
        bind_rows(self.session, self.model, self.joined, self.joined.served)
        events = counted_with(self.joined.loaded.events, self.joined.rows.until(counted)).to(self.model.device)
        self.model.observe(self.name, events, Phase)
        return subject_of(self.session, self.joined, self.joined.served)


def _users(shown: Sequence[tuple[int, Impression]]) -> list[str]:
    return list(dict.fromkeys(one.user for _, one in shown))
