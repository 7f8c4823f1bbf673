"""The engine: requests of all scenarios of a run, answered together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from polyscene.errors import PolysceneError, ServingError, did_you_mean
from polyscene.evaluation.serving import retriever_of
from polyscene.evaluation.titles import item_titles
from polyscene.feedback.events import Event
from polyscene.retrieval import RetrievalConfig, Retriever
from polyscene.serving.engine.answers import Answer, Put, ScenarioInfo, Scored
from polyscene.serving.engine.requests import Request
from polyscene.training.restore import RestoredRun


class Engine:
    """One loaded model version.

    Not for several threads at once: requests change nothing, :meth:`put_items` and :meth:`observe` do.

    Args:
        run: a finished run.
        retriever: its model with the scenarios that recommend items to users.
        version: what answers call the model.
    """

    def __init__(self, run: RestoredRun, retriever: Retriever, version: str) -> None:
        self.run, self.retriever, self.version = run, retriever, version

    @classmethod
    def of_run(cls, run: RestoredRun, *, version: str, retrieval: RetrievalConfig | None = None) -> Engine:
        """The engine of a run's joint model (its first one, where none is joint).

        Raises:
            PolysceneError: there is no model, data have changed, a package is not installed, or nothing is
                recommended to users.
        """
        return cls(run, retriever_of(run, retrieval), version)

    def answer(self, requests: Sequence[Request], *, vectors: bool = False) -> list[Answer | PolysceneError]:
        """Answers in the order of the requests, which may be of any scenarios; an error is in its own place.

        Args:
            requests: any number.
            vectors: whether answers bring what a contextual policy looks at.
        """
        return [self._one(request) for request in requests]

    def similar(
        self,
        scenario: str,
        item: str,
        k: int = 10,
        *,
        filters: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
    ) -> Scored:
        """The items nearest to an item by the cosine of adapted vectors.

        Raises:
            ServingError: no such scenario, item or column.
        """
        raise NotImplementedError

    def score(self, request: Request, items: Sequence[str]) -> Answer:
        """Scores of given items for who asks, equal to those of a ranking of all; ``k`` and filters are not read.

        Raises:
            ServingError: as for :meth:`answer`.
        """
        raise NotImplementedError

    def put_items(self, scenario: str, rows: Sequence[Mapping[str, Any]]) -> Put:
        """Add items, or change columns of known ones; the next answer has them.

        Raises:
            ServingError, DataError: the rows do not fit; nothing is changed then.
        """
        raise NotImplementedError

    def observe(self, events: Sequence[Event]) -> int:
        """Extend histories by what users did, in this order; returns how many events did.

        Impressions and skips do not, nor what concerns unknown scenarios and items.
        """
        raise NotImplementedError

    def scenarios(self) -> list[ScenarioInfo]:
        """What is served."""
        raise NotImplementedError

    def _one(self, request: Request) -> Answer | PolysceneError:
        name = request.scenario or ""
        if name not in self.retriever.served:
            fix = did_you_mean(name, self.retriever.served)
            return ServingError(f"there is no scenario '{name}'", where="scenario", fix=fix)
        tables = self.run.loaded.scenarios[name].tables
        users: list[str] = tables.users["user_id"].tolist()
        if request.user not in users:
            return ServingError(f"there is no user '{request.user}'", where="user")
        query = self.retriever.query(name, torch.tensor([users.index(request.user)]))
        best = self.retriever.find({name: query}, request.k)[name]
        found = [item for item in best.item_BK[0].tolist() if item >= 0]
        ids, titles = tables.items["item_id"], item_titles(tables, found)
        return Answer(
            name,
            tuple(ids.iloc[found]),
            tuple(best.score_BK[0, : len(found)].tolist()),
            {ids.iloc[item]: title for item, title in titles.items()},
            self.version,
            user_known=True,
        )
