"""The engine: requests of all scenarios of a run, answered together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.phases import Phase
from polyscene.errors import PolysceneError, ServingError, did_you_mean
from polyscene.feedback.events import Event, Reaction
from polyscene.retrieval import RetrievalConfig, Retriever
from polyscene.retrieval.best import Wanted, best_of_blocks
from polyscene.retrieval.pairs import Pairs
from polyscene.serving.engine.answers import Answer, Put, ScenarioInfo, Scored
from polyscene.serving.engine.asked import Asked, asked
from polyscene.serving.engine.putting import put
from polyscene.serving.engine.queries import query_of
from polyscene.serving.engine.recognizing import recognized
from polyscene.serving.engine.requests import Request
from polyscene.serving.engine.shelf import Shelf
from polyscene.serving.engine.shelves import shelves_of
from polyscene.serving.engine.steps import Steps
from polyscene.serving.engine.telling import Group
from polyscene.serving.reactions.laying import counted_with
from polyscene.serving.reactions.reading import Row
from polyscene.serving.reactions.rows import rows_of
from polyscene.training.restore import RestoredRun
from polyscene.training.strategy import JOINT


class Engine:
    """One loaded model version.

    For one thread: requests change nothing, but :meth:`put_items`, :meth:`observe` and :meth:`forget` do.

    Args:
        shelves: the scenarios, all of one model.
        version: what answers call the model.
        retrieval: how catalogues are searched.
    """

    def __init__(
        self, shelves: Mapping[str, Shelf], version: str, retrieval: RetrievalConfig | None = None
    ) -> None:
        self.shelves, self.version = dict(shelves), version
        served = {name: shelf.served() for name, shelf in shelves.items()}
        self.retriever = Retriever(next(iter(shelves.values())).model, served, retrieval)
        self._unit: dict[str, Tensor] = {}

    @classmethod
    def of_run(cls, run: RestoredRun, *, version: str, retrieval: RetrievalConfig | None = None) -> Engine:
        """The engine of a run's joint model (its first one, where none is joint).

        Raises:
            PolysceneError: there is no model, data have changed, a package is not installed, or nothing is
                recommended to users.
        """
        label = next((label for label in run.labels() if label == JOINT), run.labels()[0])
        learned = {name: run.loaded.scenarios[name] for name in run.scenarios_of(label)}
        return cls(shelves_of(run.session, run.model(label), learned), version, retrieval)

    @torch.inference_mode()
    def answer(self, requests: Sequence[Request], *, vectors: bool = False) -> list[Answer | PolysceneError]:
        """Answers in the order of the requests, which may be of any scenarios; an error is in its own place.

        Args:
            requests: any number.
            vectors: whether answers bring what a contextual policy looks at.
        """
        found: dict[int, Answer | PolysceneError] = {}
        groups: dict[str, dict[int, Asked]] = {}
        for place, request in enumerate(requests):
            try:
                name, one = self._asked(request)
                groups.setdefault(name, {})[place] = one
            except PolysceneError as error:
                found[place] = error
        queries = {name: query_of(self.shelves[name], list(group.values())) for name, group in groups.items()}
        states = self.retriever.states(queries) if queries else {}
        for name, group in groups.items():
            together = Group(self.retriever, self.shelves[name], queries[name], states[name], list(group.values()))
            found |= zip(group, together.answers(self.version, vectors=vectors), strict=True)
        return [found[place] for place in range(len(requests))]

    @torch.inference_mode()
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
            ServingError: no such scenario, item or column, or ``k`` is no number of items.
        """
        shelf = self._shelf(scenario)
        own, k = self._item(shelf, item), min(Request(scenario, k=k).k, len(shelf.ids))
        known = [shelf.position[one] for one in exclude if one in shelf.position]
        if scenario not in self._unit:
            self._unit[scenario] = functional.normalize(self.retriever.catalogues[scenario].all(), dim=-1)
        unit_Nd, item_M = self._unit[scenario], torch.tensor([own, *known], device=shelf.device)
        masked = Pairs(torch.zeros_like(item_M), item_M)
        wanted = Wanted(k, item_M[:1], masked, shelf.filters.mask(filters or {}))
        best = best_of_blocks([(0, (unit_Nd @ unit_Nd[own]).unsqueeze(0))], wanted, self.retriever.codes[scenario])
        items = [one for one in best.item_BK[0].tolist() if one >= 0]
        unknown = tuple(one for one in exclude if one not in shelf.position)
        return shelf.scored(items, best.score_BK[0, : len(items)].tolist(), self.version, unknown)

    @torch.inference_mode()
    def score(self, request: Request, items: Sequence[str]) -> Answer:
        """Scores of given items for who asks, equal to those of a ranking of all; ``k`` and filters are not read.

        Items are in the order given, without those that are not known.

        Raises:
            PolysceneError: as for :meth:`answer`.
        """
        name, one = self._asked(request)
        shelf, query = self.shelves[name], query_of(self.shelves[name], [one])
        h_Bd = self.retriever.states({name: query})[name]
        known = [shelf.position[item] for item in items if item in shelf.position]
        score_N = self.retriever.scores(name, query, h_Bd)[0]
        unknown = (*one.unknown, *(item for item in items if item not in shelf.position))
        scored = shelf.scored(known, score_N[known].tolist(), self.version, tuple(dict.fromkeys(unknown)))
        return Answer(**vars(scored), user_known=one.known, steps=len(one.read), recognized=one.recognized)

    def put_items(self, scenario: str, rows: Sequence[Mapping[str, Any]]) -> Put:
        """Add items, or change columns of known ones; the next answer has them.

        Raises:
            ServingError, DataError: the rows do not fit; nothing is changed then.
        """
        done, self.shelves[scenario] = put(self.retriever, self._shelf(scenario), rows)
        self._unit.pop(scenario, None)
        return done

    def observe(self, events: Sequence[Event]) -> int:
        """Extend histories by what users did, in this order; returns how many events did.

        Impressions do not, nor skips where the task ranks, nor what concerns unknown scenarios and items. A rating
        has its value; what a price or the seconds watched are worth in the units of the data nobody knows. What
        priors and popularity count stays as it was, see :meth:`count`.
        """
        taken = 0
        for event in events:
            shelf = self.shelves.get(event.scenario)
            if not isinstance(event, Reaction) or shelf is None or event.item not in shelf.position:
                continue
            skip = event.kind == "skip"
            if skip and not shelf.judges:
                continue
            rated = event.value if event.kind == "rating" else None
            value = (shelf.skipped if skip else shelf.value) if rated is None else rated
            steps = shelf.live.setdefault(event.user, Steps())
            steps.add(shelf.position[event.item], value, shelf.moment(event.time))
            taken += 1
        return taken

    @torch.inference_mode()
    def count(self, scenario: str, rows: Sequence[Row], *, positive_from: float | None = None) -> int:
        """Let priors and popularity count further rows, beside those of the data alone; returns how many fit.

        Args:
            scenario: one that is served.
            rows: all of them, in the order of the log; those of an earlier call are counted no more.
            positive_from: ratings below this are passed over where a task ranks; None for none.
        """
        shelf, model = self._shelf(scenario), self.retriever.model
        loaded = replace(shelf.loaded, events=shelf.counted)
        people = shelf.own_item_U is not None
        found = rows_of(
            list(rows), loaded, model.main_task(scenario), Counter(), people=people, positive_from=positive_from
        )
        shelf.counts = counted_with(shelf.counted.to("cpu"), found).to(shelf.device)
        model.observe(scenario, shelf.counts, Phase)
        self.retriever.serve(scenario, shelf.served())
        return len(found)

    def forget(self, user: str) -> None:
        """Forget what feedback told of a user."""
        for shelf in self.shelves.values():
            shelf.live.pop(user, None)

    def scenarios(self) -> list[ScenarioInfo]:
        """What is served."""
        return [shelf.info() for shelf in self.shelves.values()]

    @property
    def width(self) -> int:
        """Width of user states and item vectors."""
        return next(iter(self.shelves.values())).session.config.model.d_model

    def item_vectors(self, scenario: str, items: Sequence[str]) -> Tensor:
        """Adapted vectors ``[M, d]`` of items, for policies.

        Raises:
            ServingError: no such scenario or item.
        """
        shelf = self._shelf(scenario)
        rows = torch.tensor([self._item(shelf, item) for item in items], dtype=torch.int64)
        return self.retriever.catalogues[scenario].take(rows.to(shelf.device))

    def _asked(self, request: Request) -> tuple[str, Asked]:
        if request.scenario is not None:
            return request.scenario, asked(self._shelf(request.scenario), request)
        chances = recognized(self.retriever, self.shelves, request)
        name = next(iter(chances))
        return name, replace(asked(self.shelves[name], request), recognized=chances)

    def _shelf(self, scenario: str) -> Shelf:
        if scenario not in self.shelves:
            raise ServingError(
                f"there is no scenario '{scenario}'", where="scenario", fix=did_you_mean(scenario, self.shelves)
            )
        return self.shelves[scenario]

    @staticmethod
    def _item(shelf: Shelf, item: str) -> int:
        if item not in shelf.position:
            examples = ", ".join(shelf.ids[:3])
            fix = f"its {len(shelf.ids):,} ids look like {examples}"
            raise ServingError(f"there is no item '{item}'", where=f"scenario '{shelf.name}'", fix=fix)
        return shelf.position[item]
