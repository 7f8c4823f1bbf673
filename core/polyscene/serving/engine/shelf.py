"""A shelf: one scenario as the engine keeps it, ids beside rows and what requests ask of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from torch import Tensor

from polyscene.data.columns import Column
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.errors import ServingError, did_you_mean
from polyscene.evaluation.said import check_text, meanings, nearest_items, reads_texts, said
from polyscene.evaluation.titles import title_array
from polyscene.model import PolysceneModel
from polyscene.retrieval import Served
from polyscene.serving.engine.answers import ScenarioInfo, Scored
from polyscene.serving.engine.filters import Filters
from polyscene.serving.engine.steps import NOTHING, Steps
from polyscene.serving.reactions.values import untold_values
from polyscene.tasks.task import PairTask
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session

_TEXTS = 1_024  # whose nearest items are remembered


class Shelf:
    """One scenario.

    Args:
        name: the scenario.
        loaded: its data with one more user, the last: the stranger, who stands for all whom the data does not
            know. The rows of the stranger say nothing; steps that are in no row of the data take their place.
        counted: the rows of the data, without those of the stranger, on the model's device.
        own_item_U: where items are people, the item that each user is; the stranger is none (-1).
        session, model: of the run.

    Attributes:
        judges: whether rows are judged one by one, so that skips are rows as well.
        value, skipped, time: of a step that tells none, of a skip, and of a step without a time.
        counts: the rows that popularity and priors count now: ``counted``, and feedback that a version counts too.
        live: what users did since, by id.
        texts: the nearest items of texts that were asked before.
    """

    def __init__(
        self,
        name: str,
        *,
        loaded: LoadedScenario,
        counted: Events,
        own_item_U: Tensor | None,
        session: Session,
        model: PolysceneModel,
    ) -> None:
        self.name, self.loaded, self.counted, self.own_item_U = name, loaded, counted, own_item_U
        self.session, self.model, self.device = session, model, model.device
        self.counts = counted
        self.live: dict[str, Steps] = {}
        self.texts: dict[str, Tensor] = {}
        self.events: Events = loaded.events.to(self.device)
        self.start_UP = loaded.events.start_UP.numpy()
        self.ids: list[str] = loaded.tables.items["item_id"].tolist()
        self.position = {item: row for row, item in enumerate(self.ids)}
        # The last one is the stranger, who has a name in the table alone.
        users: list[str] = loaded.tables.users["user_id"].tolist()[:-1]
        self.users, self.stranger = {user: row for row, user in enumerate(users)}, len(users)
        self.blank = int(self.start_UP[self.stranger, Phase.TRAIN])
        self.titles = title_array(loaded.tables.items)
        self.filters = Filters(loaded.tables.items, loaded.scenario.item_columns, self.device)
        self.views = {view.name: view for view in loaded.scenario.views}
        self.graph = (loaded.whole or loaded).graph
        self.by_text = reads_texts(model, name, loaded)
        task = model.main_task(name)
        self.judges = isinstance(task, PairTask)
        self.value, self.skipped = untold_values(counted, task)
        self.time = int(counted.time_R.max()) if len(counted.time_R) else 0

    def served(self) -> Served:
        """The scenario as the retriever takes it."""
        return Served(self.events, self.loaded.config.max_history, self.view(None), self.own_item_U, self.counted)

    def after(self, loaded: LoadedScenario) -> Shelf:
        """The shelf when items have come or changed; users are who they were."""
        n_items, cold_N = loaded.events.n_items, loaded.events.cold_N.to(self.device)
        made = Shelf(
            self.name,
            loaded=loaded,
            counted=replace(self.counted, n_items=n_items, cold_N=cold_N),
            own_item_U=self.own_item_U,
            session=self.session,
            model=self.model,
        )
        made.counts, made.live = replace(self.counts, n_items=n_items, cold_N=cold_N), self.live
        return made

    def view(self, name: str | None) -> View:
        """A view by its name; the first if None.

        Raises:
            ServingError: there is no such view.
        """
        if name is None:
            return next(iter(self.views.values()))
        if name not in self.views:
            raise ServingError(
                f"scenario '{self.name}' has no view '{name}'", where="view", fix=did_you_mean(name, self.views)
            )
        return self.views[name]

    def rows_of(self, user: str | None) -> tuple[int, int, int]:
        """Row of a user, and first and last row of the data (exclusive) that hold what the user did."""
        row = self.stranger if user is None else self.users.get(user, self.stranger)
        if row == self.stranger:
            return row, 0, 0
        return row, int(self.start_UP[row, Phase.TRAIN]), int(self.start_UP[row, -1])

    def done_by(self, user: str | None) -> Steps:
        """What a user did since."""
        return NOTHING if user is None else self.live.get(user, NOTHING)

    def moment(self, time: float) -> int:
        """A step's time as the data has times; 0 where it has none."""
        return int(time) if self.time else 0

    def nearest(self, text: str) -> Tensor:
        """The items that stand for a text, int64 ``[M]``, the nearest last.

        Raises:
            DataError: no text can stand for a user here.
        """
        check_text(self.model, self.name, self.loaded, text)
        if text not in self.texts:
            text_h = said(self.session, self.model, self.name, self.loaded, text)
            if len(self.texts) >= _TEXTS:
                del self.texts[next(iter(self.texts))]
            self.texts[text] = nearest_items(self.meanings, text_h)
        return self.texts[text]

    @cached_property
    def meanings(self) -> Tensor:
        """What is said of every item, ``[N, h]``; computed when a text is first asked for."""
        return meanings(self.model, self.name)

    def scored(self, items: list[int], scores: list[float], model: str, unknown: tuple[str, ...]) -> Scored:
        """Rows of items as what is told of them."""
        titles = {self.ids[item]: title for item in items if (title := self.titles[item].as_py()) is not None}
        return Scored(self.name, tuple(self.ids[item] for item in items), tuple(scores), titles, model, unknown)

    def info(self) -> ScenarioInfo:
        """What the scenario offers."""
        mixture = self.model.mixture(self.name)
        return ScenarioInfo(
            self.name,
            self.loaded.scenario.title,
            tuple(self.views),
            self.filters.info(),
            tuple(column.name for column in self._told()),
            len(self.ids),
            len(self.users),
            len(self.live),
            self.by_text,
            self.graph is not None,
            () if mixture is None else tuple(mixture.priors),
        )

    def _told(self) -> list[Column]:
        """The columns that whoever adds an item must give."""
        gated = self.loaded.gated
        return [column for column in self.loaded.scenario.item_columns if column.name and column.name not in gated]
