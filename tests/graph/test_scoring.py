"""Triple scores against values worked out by hand and against the formulas as written in the papers."""

from __future__ import annotations

import pytest
import torch

from polyscene.errors import ConfigError
from polyscene.graph import SCORINGS, triple_scoring

H, R, T = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]]), torch.tensor([[2.0, 5.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("distmult", 1 * 3 * 2 + 2 * -1 * 5),
        # (1 + 2i)(3 - i)(2 - 5i) = (5 + 5i)(2 - 5i) = 35 - 15i
        ("complex", 35.0),
        # (1 + 3 - 2, 2 - 1 - 5) = (2, -4)
        ("transe", -(20**0.5)),
    ],
)
def test_values_by_hand(name: str, expected: float):
    scoring = SCORINGS[name]
    assert scoring.paired(scoring.tail_query(H, R), T).item() == pytest.approx(expected)


@pytest.mark.parametrize("name", SCORINGS)
def test_head_and_tail_queries_give_the_same_score(name: str):
    scoring = SCORINGS[name]
    h, r, t = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    by_tail = scoring.paired(scoring.tail_query(h, r), t)
    by_head = scoring.paired(scoring.head_query(r, t), h)
    torch.testing.assert_close(by_tail, by_head, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SCORINGS)
def test_all_entities_at_once_equals_one_by_one(name: str):
    scoring = SCORINGS[name]
    generator = torch.Generator().manual_seed(1)
    query, entities = torch.randn(4, 8, generator=generator), torch.randn(6, 8, generator=generator)
    one_by_one = torch.stack([scoring.paired(query, entity.expand(4, -1)) for entity in entities], dim=1)
    torch.testing.assert_close(scoring.scores(query, entities), one_by_one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SCORINGS)
def test_queries_may_have_further_dimensions(name: str):
    scoring = SCORINGS[name]
    head, relation = torch.randn(3, 1, 8), torch.randn(3, 5, 8)
    entities = torch.randn(6, 8)
    together = scoring.scores(scoring.tail_query(head, relation), entities)
    alone = scoring.scores(scoring.tail_query(head[2], relation[2, 4:]), entities)
    torch.testing.assert_close(together[2, 4:], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "symmetric"), [("distmult", True), ("complex", False), ("transe", False)])
def test_which_scores_know_the_direction(name: str, symmetric: bool):
    scoring = SCORINGS[name]
    h, r, t = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(2))
    forward, backward = (scoring.paired(scoring.tail_query(a, r), b) for a, b in ((h, t), (t, h)))
    assert torch.allclose(forward, backward, atol=1e-5) == symmetric


@pytest.mark.parametrize("name", SCORINGS)
def test_gradients_are_finite_where_query_and_entity_are_equal(name: str):
    scoring = SCORINGS[name]
    query = torch.zeros(2, 4, requires_grad=True)
    (scoring.scores(query, torch.zeros(3, 4)).sum() + scoring.paired(query, torch.zeros(2, 4)).sum()).backward()
    assert query.grad is not None
    assert query.grad.isfinite().all()


def test_a_mistyped_name_gets_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'distmult'"):
        triple_scoring("distmul", 8)


def test_complex_numbers_need_an_even_width():
    with pytest.raises(ConfigError, match="even width"):
        triple_scoring("complex", 7)
