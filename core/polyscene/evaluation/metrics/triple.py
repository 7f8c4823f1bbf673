"""Link prediction in a knowledge graph: filtered ranks of true tails."""

from __future__ import annotations

import torch
from torch import Tensor

from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.retrieval.pairs import Pairs


def filtered_ranks(scores_QE: Tensor, tail_Q: Tensor, known: Pairs, query_Q: Tensor | None = None) -> Ranking:
    """Rank of each query's tail among all entities but the query's other true tails ("filtered" setting).

    Bordes et al. (2013), "Translating embeddings". Ties as in :mod:`polyscene.evaluation.ranking`, so a constant
    score is worth chance. For the other direction, score ``(?, r, t)`` queries and give heads as ``tail_Q``.

    Args:
        scores_QE: scores of all E entities as the tail of Q queries ``(h, r, ?)``.
        tail_Q: int64 the tail asked for.
        known: all true tails of the queries in any phase: ``row_M`` is the query (from 0), ``item_M`` the tail.
            The tail asked for may be among them.
        query_Q: int64 key of each query for the order of ties, so that it does not depend on the batch.
    """
    asked = known.item_M == tail_Q[known.row_M]
    others = Pairs(known.row_M[~asked], known.item_M[~asked])
    rows = torch.arange(len(tail_Q), device=tail_Q.device)
    return rank_targets(scores_QE, Pairs(rows, tail_Q), masked=others, user_B=query_Q)


def known_tails(query_M: Tensor, tail_M: Tensor, query_Q: Tensor) -> Pairs:
    """All known tails of Q queries, from the M facts of a graph, without a loop.

    Args:
        query_M: int64 key of each fact's head and relation, for example ``head * n_relations + relation``.
        tail_M: int64 tail of each fact.
        query_Q: int64 key of each query.
    """
    order_M = torch.argsort(query_M, stable=True)
    sorted_M = query_M[order_M]
    start_Q = torch.searchsorted(sorted_M, query_Q.contiguous())
    stop_Q = torch.searchsorted(sorted_M, query_Q.contiguous(), right=True)
    return Pairs.of_windows(tail_M[order_M], start_Q, stop_Q)


def mean_reciprocal_rank(rank_Q: Tensor) -> float:
    """Mean of 1 / rank over queries; NaN without queries."""
    return (1 / rank_Q.double()).mean().item()


def hits_at(rank_Q: Tensor, k: int) -> float:
    """Share of queries whose tail is among the first k; NaN without queries."""
    return (rank_Q <= k).double().mean().item()
