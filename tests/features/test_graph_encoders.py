"""Encoders that read a knowledge graph: KGAT by hand, side vectors, what may reach them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from polyscene.data.columns import Column, Number
from polyscene.errors import DataError
from polyscene.features import EntityEncoder, FitContext, SharedModules
from polyscene.features.kgat import KgatEncoder, KgatEncoderConfig
from polyscene.features.side_vectors import SideVectorsEncoder, SideVectorsEncoderConfig
from polyscene.graph import KnowledgeGraph
from polyscene.graph.items import ItemGraph
from polyscene.graph.vectors import structural_vectors
from polyscene.testing.world import make_context, make_frame
from tests.invariants.small_world import registry

FACTS = [
    ("alien", "genre", "horror"),
    ("alien", "director", "scott"),
    ("runner", "director", "scott"),
    ("carrie", "genre", "horror"),
    ("hermit", "director", "nobody else"),
]
ENTITIES = pd.Series(["alien", "runner", "carrie", "hermit", None])


def graph(facts: list[tuple[str, str, str]] | None = None) -> ItemGraph:
    frame = pd.DataFrame(FACTS if facts is None else facts, columns=["head", "relation", "tail"])
    links = {f"i{row}": entity for row, entity in enumerate(ENTITIES.dropna())}
    return ItemGraph(KnowledgeGraph.from_facts(frame), links)


def context(shared: SharedModules | None = None, items: ItemGraph | None = None) -> FitContext:
    made = make_context(make_frame().head(len(ENTITIES)), shared)
    return replace(made, train_rows=np.ones(len(ENTITIES), dtype=bool), graph=items or graph())


def kgat(items: ItemGraph | None = None) -> KgatEncoder:
    torch.manual_seed(0)
    known = context(items=items)
    encoder = KgatEncoder(KgatEncoderConfig(), Column("entity", encoder="kgat"))
    encoder.fit(ENTITIES, known)
    encoder.bind(ENTITIES, known)
    return encoder


def test_kgat_by_hand():
    encoder = kgat()
    with torch.no_grad():
        encoder.space.vector_Md.normal_()
    vector = {name: encoder.space.vector_Md[place] for name, place in encoder.space.position.items()}
    h, facts = vector["alien"], [("genre", "horror"), ("director", "scott")]
    pi = []
    for relation, tail in facts:
        W_r = encoder.weight_Rdk[encoder.relations[relation]].T  # the paper's W_r, [k, d]
        e_r = encoder.relation_Rk[encoder.relations[relation]]
        pi.append((W_r @ vector[tail]) @ torch.tanh(W_r @ h + e_r))
    weight = torch.stack(pi).softmax(0)
    n = weight[0] * vector["horror"] + weight[1] * vector["scott"]
    expected = functional.leaky_relu(encoder.add(h + n), 0.2) + functional.leaky_relu(encoder.multiply(h * n), 0.2)
    assert weight.max() > 0.55, "the case tells attention from a mean"
    torch.testing.assert_close(encoder(torch.tensor(0)), expected)


def test_a_neighbor_that_no_other_fact_names_is_left_out_and_no_entity_is_zero():
    encoder = kgat()
    assert "nobody else" not in encoder.space.position
    assert (encoder(torch.tensor([4])) == 0).all()
    assert (encoder(torch.tensor([3])) != 0).any()


def test_gradients_reach_the_neighborhood_only():
    encoder = kgat()
    encoder(torch.tensor([1])).square().sum().backward()
    space = encoder.space
    assert space.vector_Md.grad is not None
    touched = {name for name, place in space.position.items() if space.vector_Md.grad[place].any()}
    assert touched == {"runner", "scott"}


def test_many_rows_cost_no_more_than_the_known_items_and_get_the_same(monkeypatch: pytest.MonkeyPatch):
    encoder, computed = kgat(), []
    compute = encoder._vectors
    monkeypatch.setattr(encoder, "_vectors", lambda place: (computed.append(len(place)), compute(place))[1])
    rows = torch.tensor([4, 0, 1, 2, 3, 0, 4, 4])
    together, alone = encoder(rows), torch.cat([encoder(row.view(1)) for row in rows])
    assert computed == [5, *[1] * 8], "four known items and what stands for the others; then row by row"
    torch.testing.assert_close(together, alone)
    weight_N1 = torch.arange(8.0).unsqueeze(1)
    grads = [
        torch.autograd.grad((found * weight_N1).sum(), [*encoder.parameters()]) for found in (together, alone)
    ]
    torch.testing.assert_close(*grads)


def test_facts_outside_the_graph_change_nothing():
    """The graph holds training facts; a held-out fact can reach a vector only by being in it."""
    rows = torch.arange(5)
    more = graph([*FACTS, ("runner", "genre", "horror")])
    assert torch.equal(kgat()(rows), kgat(graph())(rows))
    assert not torch.equal(kgat()(rows)[1], kgat(more)(rows)[1])


def test_most_neighbors_keeps_the_best_connected():
    facts = [*FACTS, ("runner", "genre", "horror")]
    assert [step.entity for step in graph(facts).shared_around("alien", 1)] == ["horror"]


def test_an_encoder_without_a_graph_says_what_is_missing():
    encoder = KgatEncoder(KgatEncoderConfig(), Column("entity", encoder="kgat"))
    with pytest.raises(DataError, match="no plugin has linked these items to one"):
        encoder.fit(ENTITIES, replace(context(), graph=None))


class TestSideVectors:
    @staticmethod
    def fitted(shared: SharedModules | None = None, **options) -> SideVectorsEncoder:
        torch.manual_seed(0)
        known = context(shared)
        encoder = SideVectorsEncoder(SideVectorsEncoderConfig(width=8, **options), Column("entity"))
        encoder.fit(ENTITIES, known)
        encoder.bind(ENTITIES, known)
        return encoder

    def test_frozen_vectors_are_the_structural_ones_and_no_parameter(self):
        encoder = self.fitted()
        assert {name for name, _ in encoder.named_parameters()} == {"linear.weight", "linear.bias"}
        torch.testing.assert_close(encoder.frozen_Ew[1:].square().sum(-1), torch.full((4,), 8.0))
        assert "scott" not in encoder.entities, "only items' entities are kept"

    def test_joint_vectors_are_those_of_the_space(self):
        shared = SharedModules()
        encoder = self.fitted(shared, frozen=False)
        space = encoder.space
        expected = encoder.linear(space.vector_Md[space.position["runner"]])
        torch.testing.assert_close(encoder(torch.tensor(1)), expected)
        encoder(torch.tensor([0])).sum().backward()
        assert space.vector_Md.grad is not None

    def test_fitting_leaves_the_random_state_alone(self):
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        structural_vectors(graph().graph, width=8, epochs=1)
        assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("encoder", ["kgat", "side_vectors"])
@pytest.mark.parametrize("fusion", ["concat", "gated"])
def test_behind_a_closed_gate_the_graph_changes_nothing_until_it_opens(encoder, fusion):
    component = registry().get("fusion", fusion)
    frame = pd.DataFrame({"item_id": list("abcde"), "year": [1979.0, 1982, 1976, 2000, 1990], "entity": ENTITIES})
    entities = []
    for columns in ((Number("year"),), (Number("year"), Column("entity", encoder=encoder))):
        entity = EntityEncoder(
            columns,
            registry=registry(),
            fusion=component,
            fusion_config=component.config() if component.config else None,
            gated=["entity"] if len(columns) > 1 else (),
        )
        shared = SharedModules()
        entity.fit(frame, context(shared))
        entity.bind(frame, context(shared))
        entities.append(entity.eval())
    plain, enriched = entities
    enriched.load_state_dict(plain.state_dict(), strict=False)
    rows = torch.arange(5)
    assert torch.equal(plain(rows), enriched(rows))
    (enriched(rows) * torch.randn(5, 16)).sum().backward()
    (gate,) = enriched.gates.values()
    assert gate.grad is not None
    assert gate.grad != 0
    with torch.no_grad():
        gate += 0.5
    assert not torch.equal(plain(rows), enriched(rows))
