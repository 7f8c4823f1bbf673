"""From best items to answers: ids, titles, shares and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polyscene.evaluation.explain import Explainer, Reason
from polyscene.retrieval import Best, Query, Retriever
from polyscene.serving.engine.answers import Answer, Vectors
from polyscene.serving.engine.asked import Asked
from polyscene.serving.engine.shelf import Shelf


@dataclass(frozen=True)
class Group:
    """B requests of one scenario that are answered together.

    Args:
        retriever: finds the items.
        shelf: the scenario.
        query: what is asked.
        h_Bd: the states of those who ask.
        asked: the same requests one by one.
    """

    retriever: Retriever
    shelf: Shelf
    query: Query
    h_Bd: Tensor
    asked: Sequence[Asked]

    def answers(self, model: str, *, vectors: bool) -> list[Answer]:
        """The answers.

        Args:
            model: the version of the model.
            vectors: whether they bring what a contextual policy looks at.
        """
        views: dict[str, list[int]] = {}
        for row, one in enumerate(self.asked):
            views.setdefault(one.view.name, []).append(row)
        found: dict[int, Answer] = {}
        for view, rows in views.items():
            part = self if len(views) == 1 else self._some(rows)
            part = replace(part, query=replace(part.query, view=view))
            found |= zip(rows, part._of_view(model, vectors=vectors), strict=True)
        return [found[row] for row in range(len(self.asked))]

    def _some(self, rows: list[int]) -> Group:
        row_R = torch.tensor(rows, device=self.h_Bd.device)
        asked = [self.asked[row] for row in rows]
        return replace(self, query=self.query.some(row_R), h_Bd=self.h_Bd[row_R], asked=asked)

    def _of_view(self, model: str, *, vectors: bool) -> list[Answer]:
        count = min(max(one.request.k for one in self.asked), len(self.shelf.ids))
        best = self.retriever.best(self.shelf.name, self.query, self.h_Bd, count)
        shares, told = self._shares(best), []
        lists = zip(self.asked, best.item_BK.tolist(), best.score_BK.tolist(), strict=True)
        for row, (one, items, scores) in enumerate(lists):
            kept = [item for item in items[: one.request.k] if item >= 0]
            scored = self.shelf.scored(kept, scores[: len(kept)], model, one.unknown)
            told.append(
                Answer(
                    **vars(scored),
                    shares=tuple(shares.get(row, [])[: len(kept)]),
                    reasons=_reasons(self.shelf, one, scored.items) if one.request.explain else (),
                    user_known=one.known,
                    steps=len(one.read),
                    recognized=one.recognized,
                    vectors=self._vectors(row, kept) if vectors else None,
                )
            )
        return told

    def _shares(self, best: Best) -> dict[int, list[dict[str, float]]]:
        """What each part adds to the scores, by row and rank, of those who want to know."""
        rows = [row for row, one in enumerate(self.asked) if one.request.explain]
        if not rows or self.query.past is None:
            return {}
        some, row_R = self._some(rows), torch.tensor(rows, device=self.h_Bd.device)
        listed = Best(best.item_BK[row_R], best.score_BK[row_R])
        parts = self.retriever.shares(self.shelf.name, some.query, listed, h_Bd=some.h_Bd)
        lists, ranks = (
            {name: share_RK.tolist() for name, share_RK in parts.items()},
            range(listed.item_BK.shape[1]),
        )
        return {
            row: [{name: of[place][rank] for name, of in lists.items()} for rank in ranks]
            for place, row in enumerate(rows)
        }

    def _vectors(self, row: int, items: list[int]) -> Vectors:
        item_K = torch.tensor(items, dtype=torch.int64, device=self.h_Bd.device)
        item_Kd = self.retriever.catalogues[self.shelf.name].take(item_K)
        return Vectors(self.h_Bd[row].float().clone(), item_Kd.float())


def _reasons(shelf: Shelf, one: Asked, ids: Sequence[str]) -> tuple[tuple[Reason, ...], ...]:
    """Paths of the graph from what is read; empty where there is no graph."""
    if shelf.graph is None:
        return ()
    rows = shelf.events.item_R[one.read.start : one.read.stop].tolist()
    seen = [shelf.ids[item] for item in reversed([*rows, *one.read.steps.items])]
    explainer = Explainer(shelf.graph, seen)
    return tuple(tuple(explainer.reasons(item)) for item in ids)
