"""The best few of many scores, in the order of a full ranking and without one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polyscene.retrieval.order import LEFT_OUT, comparable, order_keys
from polyscene.retrieval.pairs import Pairs


@dataclass(frozen=True)
class Wanted:
    """What B requests ask for beside their scores.

    Args:
        count: how many items, K.
        user_B: int64 key of each request for the order of ties: the user.
        masked: what is left out, for each request; None for nothing.
        candidates_N: bool ``[N]``, or ``[B, N]`` where requests differ: the items that may be found; all if None.
    """

    count: int
    user_B: Tensor
    masked: Pairs | None = None
    candidates_N: Tensor | None = None

    def rows(self, row_R: Tensor) -> Wanted:
        """Some of the requests (int64 ``[R]``, ascending and each once)."""
        masked = None if self.masked is None else self.masked.of_rows(row_R, len(self.user_B))
        candidates_N = candidates_of(self.candidates_N, row_R)
        return replace(self, user_B=self.user_B[row_R], masked=masked, candidates_N=candidates_N)


def candidates_of(candidates_N: Tensor | None, row_R: Tensor) -> Tensor | None:
    """The candidates of some of the requests, see :class:`Wanted`."""
    return candidates_N[row_R] if candidates_N is not None and candidates_N.ndim == 2 else candidates_N


@dataclass(frozen=True)
class Best:
    """The best items of B requests, best first.

    Args:
        item_BK: int64, -1 where a request has fewer candidates.
        score_BK: float32, minus infinity there.
    """

    item_BK: Tensor
    score_BK: Tensor

    @classmethod
    def join(cls, parts: list[Best]) -> Best:
        """The lists of several batches as one."""
        return cls(torch.cat([part.item_BK for part in parts]), torch.cat([part.score_BK for part in parts]))


def best_of_blocks(blocks: Iterable[tuple[int, Tensor]], wanted: Wanted, code_N: Tensor) -> Best:
    """The best items of scores that come in blocks, exactly those of a full ranking.

    Args:
        blocks: the first item of each block, and scores ``[B, C]`` of the items from there on.
        wanted: what is asked for.
        code_N: all items' codes, :func:`polyscene.retrieval.order.item_codes`.
    """
    scores, items = [], []
    for first, block_BC in blocks:
        score_BC, stop = comparable(block_BC), first + block_BC.shape[1]
        if wanted.masked is not None:
            inside = wanted.masked if stop - first == len(code_N) else wanted.masked.between(first, stop)
            score_BC[inside.row_M, inside.item_M] = -torch.inf
        if wanted.candidates_N is not None:
            score_BC.masked_fill_(~wanted.candidates_N[..., first:stop], -torch.inf)
        place_BK = _places_of_best(score_BC, wanted, code_N[first:stop])
        scores.append(score_BC.gather(1, place_BK))
        items.append(place_BK + first)
    return in_order(torch.cat(scores, dim=1), torch.cat(items, dim=1), wanted, code_N)


def in_order(score_BM: Tensor, item_BM: Tensor, wanted: Wanted, code_N: Tensor) -> Best:
    """The best of M found items for each request; minus infinity is the score of what is left out.

    Args:
        score_BM: :func:`~polyscene.retrieval.order.comparable` scores, or minus infinity.
        item_BM: int64 items, each at most once in a row.
        wanted: what is asked for.
        code_N: all items' codes.
    """
    key_BM = order_keys(score_BM, wanted.user_B, code_N[item_BM])
    key_BK, place_BK = key_BM.topk(min(wanted.count, key_BM.shape[1]), dim=1)
    none_BK = key_BK == LEFT_OUT
    item_BK = item_BM.gather(1, place_BK).masked_fill_(none_BK, -1)
    score_BK = score_BM.gather(1, place_BK).masked_fill_(none_BK, -torch.inf)
    missing = wanted.count - item_BK.shape[1]
    if not missing:
        return Best(item_BK, score_BK)
    pad = torch.nn.functional.pad
    return Best(pad(item_BK, (0, missing), value=-1), pad(score_BK, (0, missing), value=-torch.inf))


def _places_of_best(score_BC: Tensor, wanted: Wanted, code_C: Tensor) -> Tensor:
    """Places ``[B, K]`` of the best scores of each row, in no order; all where there are no more than K."""
    count = wanted.count
    if score_BC.shape[1] <= count:
        return torch.arange(score_BC.shape[1], device=score_BC.device).expand(len(score_BC), -1)
    place_BM, beyond_B = _promising(score_BC, count)
    score_BK, among_BK = score_BC.gather(1, place_BM).topk(count + 1, dim=1)
    last_B, next_B = score_BK[:, -2], score_BK[:, -1].maximum(beyond_B)
    place_BK = place_BM.gather(1, among_BK[:, :-1])
    # Of equal scores topk takes any, so where some are in and some are not, the rule for ties has to choose.
    tied_R = ((last_B == next_B) & (last_B != -torch.inf)).nonzero().squeeze(1)
    if len(tied_R):
        key_RC = order_keys(score_BC[tied_R], wanted.user_B[tied_R], code_C)
        place_BK = place_BK.index_copy(0, tied_R, key_RC.topk(count, dim=1).indices)
    return place_BK


def _promising(score_BC: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Places ``[B, M]`` among which the best ``count`` of each row are, and the best score ``[B]`` of the others.

    A place every so many scores makes a group. The groups with the ``count`` highest maxima hold the best scores,
    for each of these maxima is one that all scores of the other groups are at most equal to. Maxima are a single
    pass, sorting is not: 0.2 ms against 1.4 ms where 100 of 10^6 are best.
    """
    n_scores = score_BC.shape[1]
    size = int((n_scores / count) ** 0.5)  # about as many groups as scores in those that are kept
    n_groups = n_scores // size
    if size < 2 or n_groups <= count + 1:
        every_BC = torch.arange(n_scores, device=score_BC.device).expand(len(score_BC), -1)
        return every_BC, torch.full_like(score_BC[:, 0], -torch.inf)
    rest_R = torch.arange(n_groups * size, n_scores, device=score_BC.device)
    grouped_BSG = score_BC[:, : n_groups * size].unflatten(1, (size, n_groups))
    highest_BK, group_BK = grouped_BSG.amax(dim=1).topk(count + 1, dim=1)
    first_S = torch.arange(0, n_groups * size, n_groups, device=score_BC.device)
    place_BM = (group_BK[:, :-1].unsqueeze(1) + first_S.unsqueeze(1)).flatten(1)
    return torch.cat([place_BM, rest_R.expand(len(score_BC), -1)], dim=1), highest_BK[:, -1]
