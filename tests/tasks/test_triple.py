"""The triple task: queries and scores by hand, whole and sampled entity sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.errors import ConfigError
from polyscene.registry.components import Registry
from polyscene.tasks.triple import TripleConfig, TripleTask
from tests.tasks.small import Table, make_context, make_events, make_windows

N, D = 5, 4
RELATION = torch.tensor([0, 1, 2], dtype=torch.int32)
EVENTS = make_events([0, 1, 2], N, columns={"relation": RELATION})
X = torch.randn(N, D, generator=torch.Generator().manual_seed(0))
HEAD, TAIL, KIND = [3, 1], [[2], [4]], torch.tensor([[2], [0]], dtype=torch.int32)
WINDOWS = make_windows(TAIL, user_B=HEAD, columns={"relation": KIND})


def make_task(registry: Registry, **options: object) -> TripleTask:
    return TripleTask(TripleConfig(**options), make_context(EVENTS, registry))  # type: ignore[arg-type]


def expected_scores(task: TripleTask, scoring: str) -> np.ndarray:
    """``[B, N]`` by the definitions: DistMult, Re(<h, r, conj(t)>) of ComplEx, -|h + r - t| of TransE."""
    relation = task.relation.weight.detach().numpy()[KIND[:, 0]]
    head, tail = X.numpy()[HEAD], X.numpy()

    def as_complex(vector: np.ndarray) -> np.ndarray:
        return vector[..., : D // 2] + 1j * vector[..., D // 2 :]

    if scoring == "distmult":
        return (head * relation) @ tail.T
    if scoring == "complex":
        return (as_complex(head) * as_complex(relation) @ as_complex(tail).conj().T).real
    return -np.linalg.norm((head + relation)[:, None] - tail[None], axis=-1)


@pytest.mark.parametrize("scoring", ["distmult", "complex", "transe"])
def test_query_scores_and_loss(scoring: str, registry: Registry) -> None:
    task = make_task(registry, scoring=scoring)
    query = task.query(WINDOWS, Table(X))
    assert query.shape == (2, 1, D)
    expected = expected_scores(task, scoring) / 2
    ours = task.scores(query[:, 0], X, torch.arange(N), "all").detach()
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
    loss = task.loss(query, WINDOWS, Table(X)).detach().numpy()
    positive = np.take_along_axis(expected, np.array(TAIL), axis=1)
    np.testing.assert_allclose(loss, np.log(np.exp(expected).sum(1, keepdims=True)) - positive, atol=1e-4)


@pytest.mark.parametrize("scoring", ["distmult", "complex", "transe"])
def test_sampled_entities_stand_for_all(scoring: str, registry: Registry) -> None:
    full = make_task(registry, scoring=scoring)
    sampled = make_task(registry, scoring=scoring, full_softmax_entities=1, candidates=50_000)
    sampled.load_state_dict(full.state_dict())
    torch.manual_seed(0)
    losses = [task.loss(task.query(WINDOWS, Table(X)), WINDOWS, Table(X)).detach() for task in (full, sampled)]
    torch.testing.assert_close(losses[0], losses[1], rtol=0.02, atol=0.02)


def test_every_relation_has_a_vector(registry: Registry) -> None:
    assert make_task(registry).relation.num_embeddings == 3


def test_an_unknown_scoring_is_named(registry: Registry) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'distmult'"):
        make_task(registry, scoring="distmul")
