"""Indexes: exact search equals a full ranking bit by bit, approximate search finds most of it and nothing else."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from polyscene.errors import ConfigError
from polyscene.evaluation.ranking import rank_targets
from polyscene.retrieval import RetrievalConfig
from polyscene.retrieval.approximate import Approximate
from polyscene.retrieval.best import Wanted
from polyscene.retrieval.exact import Exact
from polyscene.retrieval.index import build_index
from polyscene.retrieval.pairs import Pairs

N, E, B = 4000, 8, 21
NOTHING = Pairs(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def catalogue(seed: int, *, ties: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keys, biases and queries whose products are exact in float32, so that no order is left to rounding."""
    generator = torch.Generator().manual_seed(seed)
    center_CE = torch.randint(-6, 7, (50, E), generator=generator)
    key_NE = center_CE[torch.randint(50, (N,), generator=generator)]
    key_NE = key_NE + torch.randint(-1, 2, (N, E), generator=generator)
    bias_N = torch.randperm(N, generator=generator) / 4096  # what tells all items apart
    query_BE = torch.randint(-6, 7, (B, E), generator=generator)
    return key_NE.float(), torch.zeros(N) if ties else bias_N, query_BE.float()


def wanted_of(seed: int, count: int) -> Wanted:
    generator = torch.Generator().manual_seed(seed)
    row_M, item_M = (torch.rand(B, N, generator=generator) < 0.05).nonzero().unbind(1)
    return Wanted(count, torch.randint(1000, (B,), generator=generator), Pairs(row_M, item_M))


def full_ranking(
    key_NE: torch.Tensor, bias_N: torch.Tensor, query_BE: torch.Tensor, wanted: Wanted
) -> torch.Tensor:
    score_BN = query_BE @ key_NE.T + bias_N
    masked, candidates_N = wanted.masked, wanted.candidates_N
    return rank_targets(
        score_BN, NOTHING, masked=masked, candidates_N=candidates_N, user_B=wanted.user_B, top=wanted.count
    ).top_BK


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("together", [(256, 1 << 22), (5, 4000), (7, 700)])
def test_exact_search_is_a_full_ranking(
    together: tuple[int, int], monkeypatch: pytest.MonkeyPatch, *, ties: bool
) -> None:
    monkeypatch.setattr("polyscene.retrieval.exact._REQUESTS", together[0])
    monkeypatch.setattr("polyscene.retrieval.exact._SCORES", together[1])
    key_NE, bias_N, query_BE = catalogue(1, ties=ties)
    wanted = wanted_of(1, 40)
    found = Exact(key_NE, bias_N).search(query_BE, wanted)
    assert torch.equal(found.item_BK, full_ranking(key_NE, bias_N, query_BE, wanted))
    score_BN = query_BE @ key_NE.T + bias_N
    assert torch.equal(found.score_BK, score_BN.gather(1, found.item_BK))


@pytest.fixture(scope="module")
def approximate() -> Approximate:
    return Approximate(Exact(*catalogue(2, ties=False)[:2]), probes=10_000)


def test_an_index_whose_lists_are_all_read_is_exact(
    approximate: Approximate, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_NE, bias_N, query_BE = catalogue(2, ties=False)
    monkeypatch.setattr(approximate.exact, "search", None)  # the lists hold enough beside what is left out
    for wanted in (wanted_of(2, 40), Wanted(7, torch.arange(B))):
        found = approximate.search(query_BE, wanted)
        assert torch.equal(found.item_BK, full_ranking(key_NE, bias_N, query_BE, wanted))


def test_some_lists_find_most_and_score_exactly(approximate: Approximate, monkeypatch: pytest.MonkeyPatch) -> None:
    key_NE, bias_N, query_BE = catalogue(2, ties=False)
    wanted = wanted_of(2, 20)
    monkeypatch.setattr(approximate.index, "nprobe", 6)
    found = approximate.search(query_BE, wanted)
    true_BK = full_ranking(key_NE, bias_N, query_BE, wanted)
    hit_BK = (found.item_BK.unsqueeze(2) == true_BK.unsqueeze(1)).any(dim=2)
    assert 0.8 < float(hit_BK.float().mean()) < 1  # below one, or lists are no lists
    assert torch.equal(found.score_BK, (query_BE @ key_NE.T + bias_N).gather(1, found.item_BK))
    assert wanted.masked is not None
    out = set(zip(wanted.masked.row_M.tolist(), wanted.masked.item_M.tolist(), strict=True))
    listed = {(row, item) for row, items in enumerate(found.item_BK.tolist()) for item in items}
    assert not out & listed
    assert len(listed) == B * 20


def test_what_lists_cannot_answer_is_answered_exactly(
    approximate: Approximate, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_NE, bias_N, query_BE = catalogue(2, ties=False)
    monkeypatch.setattr(approximate.index, "nprobe", 1)
    many = wanted_of(2, 1000)  # more than a list holds
    assert torch.equal(approximate.search(query_BE, many).item_BK, full_ranking(key_NE, bias_N, query_BE, many))
    few = Wanted(5, torch.arange(B), candidates_N=torch.arange(N) % 400 == 3)
    assert torch.equal(approximate.search(query_BE, few).item_BK, full_ranking(key_NE, bias_N, query_BE, few))


def test_nobody_asks(approximate: Approximate) -> None:
    wanted = Wanted(3, torch.zeros(0, dtype=torch.int64))
    for index in (approximate, approximate.exact):
        assert index.search(torch.zeros(0, E), wanted).item_BK.shape == (0, 3)


def test_large_catalogues_get_an_index_where_the_config_says_so() -> None:
    keys = catalogue(2, ties=False)[:2]
    for above, kind in ((0, Exact), (N, Exact), (N - 1, Approximate)):
        assert type(build_index(Exact(*keys), RetrievalConfig(approximate_above=above))) is kind


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"polyscene\[ann\]"):
        build_index(Exact(*catalogue(2, ties=False)[:2]), RetrievalConfig(approximate_above=10))
