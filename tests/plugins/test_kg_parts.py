"""The parts that the kg plugin brings: graph encoder, adapter, loss, split, types."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene import (
    Column,
    DataError,
    FitContext,
    Number,
    Phase,
    PolysceneError,
    Routing,
    Tables,
    Windows,
    both_directions,
)
from polyscene.features.encoder import SharedModules
from polyscene.features.entity import EntityEncoder
from polyscene.registry.host import load_host
from polyscene_kg.adapter import ComplexGateBank
from polyscene_kg.data import train_facts
from polyscene_kg.features import GraphEncoder, cell
from polyscene_kg.loss import SelfAdversarialConfig, SelfAdversarialLoss
from polyscene_kg.relations import OTHER, entity_types
from polyscene_kg.split import TripleSplit, TripleSplitConfig

CELLS = pd.Series(
    [
        cell("alien", [("film.film.genre", "horror"), ("film.film.directed_by", "scott")]),
        cell("heat", [("film.film.directed_by", "mann")]),
        cell("alone", []),
        np.nan,
    ]
)


def context(shared: SharedModules | None = None, d_model: int = 8) -> FitContext:
    return FitContext(
        d_model=d_model,
        train_rows=np.ones(len(CELLS), dtype=bool),
        shared=shared or SharedModules(),
        embed_texts=lambda texts: torch.zeros(len(texts), 4),
        embedding_dim=4,
        spaces={"kg_entity": np.array(["alien", "alone", "heat", "horror", "mann", "scott", "unused"])},
    )


def graph_encoder(shared: SharedModules | None = None, cells: pd.Series = CELLS) -> GraphEncoder:
    torch.manual_seed(0)
    known = context(shared)
    encoder = GraphEncoder(None, Column("film_facts", encoder="graph"))
    encoder.fit(cells, known)
    encoder.bind(cells, known)
    return encoder


class TestGraphEncoder:
    def test_values_by_hand(self):
        shared = SharedModules()
        encoder = graph_encoder(shared)
        space = encoder.shared["space"]
        vector = {name: space.vector_Md[index] for name, index in space.position.items()}
        with torch.no_grad():
            encoder.logit_R[encoder.relations["film.film.directed_by"]] = math.log(3)
        around = 0.25 * vector["horror"] + 0.75 * vector["scott"]
        expected = encoder.linear(torch.cat([vector["alien"], around]))
        torch.testing.assert_close(encoder(torch.tensor([0]))[0], expected)

    def test_an_entity_without_neighbors_is_itself(self):
        encoder = graph_encoder()
        space = encoder.shared["space"]
        own = space.vector_Md[space.position["alone"]]
        torch.testing.assert_close(encoder(torch.tensor(2)), encoder.linear(torch.cat([own, torch.zeros(8)])))

    def test_an_item_without_a_link_is_zero(self):
        assert (graph_encoder()(torch.tensor([[3]])) == 0).all()

    def test_gradients_reach_the_shared_vectors_of_the_neighborhood_only(self):
        encoder = graph_encoder()
        encoder(torch.tensor([0])).sum().backward()
        space = encoder.shared["space"]
        touched = {name for name, index in space.position.items() if (space.vector_Md.grad[index] != 0).any()}
        assert touched == {"alien", "horror", "scott"}

    def test_round_trip_through_a_checkpoint(self):
        shared, again = SharedModules(), SharedModules()
        encoder = graph_encoder(shared)
        loaded = GraphEncoder(None, Column("film_facts", encoder="graph"))
        loaded.load_fitted(encoder.fitted(), context(again))
        loaded.load_state_dict(encoder.state_dict())
        again.load_state_dict(shared.state_dict())
        loaded.bind(CELLS, context(again))
        assert torch.equal(encoder(torch.arange(4)), loaded(torch.arange(4)))

    def test_new_rows_with_unknown_entities_and_relations(self):
        encoder = graph_encoder()
        rows = pd.Series([cell("nobody", [("film.film.genre", "horror")]), cell("heat", [("unheard.of", "mann")])])
        encoder.bind(rows, context())
        out = encoder(torch.arange(2))
        assert (out[0] == 0).all()
        space = encoder.shared["space"]
        own = space.vector_Md[space.position["heat"]]
        torch.testing.assert_close(out[1], encoder.linear(torch.cat([own, torch.zeros(8)])))

    def test_no_cell_at_all(self):
        encoder = graph_encoder(cells=pd.Series([None, None], dtype=object))
        assert encoder(torch.arange(2)).tolist() == [[0.0] * 8] * 2


def test_enriched_items_begin_exactly_where_they_were():
    registry = load_host().registry
    frame = pd.DataFrame({"item_id": list("abcd"), "year": [1979, 1995, 2000, 1950], "film_facts": CELLS})
    number, graph = Number("year"), Column("film_facts", encoder="graph")

    def items(columns: tuple[Column, ...], cells: pd.Series = CELLS) -> EntityEncoder:
        gated = [column.name for column in columns if column is graph]
        encoder = EntityEncoder(columns, registry=registry, fusion=registry.get("fusion", "concat"), gated=gated)
        encoder.fit(frame, context())
        encoder.bind(frame.assign(film_facts=cells), context())
        return encoder.eval()

    plain, enriched = items((number,)), items((number, graph))
    enriched.load_state_dict(plain.state_dict(), strict=False)
    rows = torch.arange(4)
    assert torch.equal(plain(rows), enriched(rows))
    (enriched(rows) * torch.randn(4, 8)).sum().backward()
    (gate,) = enriched.gates.values()
    assert gate.grad is not None
    assert gate.grad != 0
    with torch.no_grad():
        gate += 0.5
    assert not torch.equal(plain(rows), enriched(rows))


class TestComplexGate:
    def test_identity_at_the_start(self):
        h = torch.randn(5, 8)
        assert torch.equal(ComplexGateBank(None, 8, 2)(h, Routing(index_N=torch.tensor([0, 1, 1, 0, 1]))), h)

    def test_it_is_the_complex_product(self):
        bank, h = ComplexGateBank(None, 4, 2), torch.randn(3, 4)
        torch.nn.init.normal_(bank.real_Kp)
        torch.nn.init.normal_(bank.imaginary_Kp)
        index = torch.tensor([0, 1, 0])
        expected = torch.complex(h[:, :2], h[:, 2:]) * torch.complex(bank.real_Kp, bank.imaginary_Kp)[index]
        z = bank(h, Routing(index_N=index))
        torch.testing.assert_close(torch.complex(z[:, :2], z[:, 2:]), expected)

    def test_an_odd_width_is_refused(self):
        with pytest.raises(PolysceneError, match="even width"):
            ComplexGateBank(None, 5, 2)


class TestSelfAdversarialLoss:
    @staticmethod
    def windows(item: int) -> Windows:
        rows = torch.tensor([[item]])
        return Windows(rows[:, 0], rows, rows >= 0, rows, rows.float(), rows, {}, ordered=False)

    def test_values_by_hand(self):
        loss = SelfAdversarialLoss(SelfAdversarialConfig(temperature=1.0, margin=0.5))
        # Negatives 0 and log 3 weigh 1/4 and 3/4.
        candidates = torch.tensor([[[2.0, 0.0, math.log(3)]]])
        expected = math.log1p(math.exp(0.5 - 2)) + 0.25 * math.log1p(math.exp(-0.5))
        expected += 0.75 * math.log1p(math.exp(math.log(3) - 0.5))
        got = loss(candidates[..., 0], candidates, self.windows(0), includes_positive=True)
        assert got.item() == pytest.approx(expected, rel=1e-5)

    def test_masked_candidates_do_not_count(self):
        loss = SelfAdversarialLoss(SelfAdversarialConfig(margin=0.0))
        positive, few = torch.tensor([[1.0]]), torch.tensor([[[0.3, -0.2]]])
        more = torch.cat([few, torch.full((1, 1, 3), -math.inf)], dim=-1)
        few_loss, more_loss = (loss(positive, c, self.windows(0), includes_positive=False) for c in (few, more))
        torch.testing.assert_close(few_loss, more_loss)

    def test_a_row_without_negatives_has_finite_loss_and_gradient(self):
        loss, positive = (
            SelfAdversarialLoss(SelfAdversarialConfig(margin=0.0)),
            torch.tensor([[1.0]], requires_grad=True),
        )
        candidates = torch.full((1, 1, 2), -math.inf, requires_grad=True)
        loss(positive, candidates, self.windows(0), includes_positive=False).sum().backward()
        assert positive.grad is not None
        assert candidates.grad is not None
        assert positive.grad.isfinite().all()
        assert (candidates.grad == 0).all()


def graph_tables(facts: list[tuple[str, str, str]]) -> Tables:
    frame = pd.DataFrame(facts, columns=["head", "relation", "tail"])
    entities = sorted({*frame["head"], *frame["tail"]})
    return Tables(
        items=pd.DataFrame({"item_id": entities}),
        users=pd.DataFrame({"user_id": entities}),
        interactions=both_directions(frame),
        facts=frame,
    )


def dense_facts(n: int = 30) -> list[tuple[str, str, str]]:
    """Every film knows five genres, said in both directions."""
    pairs = [(f"film{i}", f"genre{(i + j) % n}") for i in range(n) for j in range(5)]
    return [(f, "genre", g) for f, g in pairs] + [(g, "films", f) for f, g in pairs]


def test_both_directions_lie_side_by_side():
    rows = both_directions(pd.DataFrame([("a", "r", "b"), ("c", "s", "a")], columns=["head", "relation", "tail"]))
    found = rows[["user_id", "relation", "item_id"]].astype(str).to_numpy().tolist()
    assert found == [["a", "r", "b"], ["b", "~r", "a"], ["c", "s", "a"], ["a", "~s", "c"]]
    assert list(rows["relation"].cat.categories) == ["r", "s", "~r", "~s"]


class TestTripleSplit:
    def test_a_fact_and_its_inverse_share_a_phase(self):
        tables = graph_tables(dense_facts())
        split = TripleSplit(TripleSplitConfig(validation=0.1, test=0.2)).split(tables)
        assert (split.phase_R[::2] == split.phase_R[1::2]).all()
        phase = split.phase_R[::2]
        assert (phase[:150] == phase[150:]).all()
        assert [(phase == p).sum() for p in (Phase.VALIDATION, Phase.TEST)] == [30, 60]

    def test_entities_and_relations_stay_in_training(self):
        facts = [*dense_facts(), ("film0", "sequel", "film1"), ("hermit", "genre", "genre0")]
        tables = graph_tables(facts)
        train = train_facts(tables, TripleSplit(TripleSplitConfig(validation=0.3, test=0.4)).split(tables))
        assert {*train["head"], *train["tail"]} == set(tables.items["item_id"])
        assert set(train["relation"]) == {"genre", "films", "sequel"}

    def test_a_function_of_data_and_split_seed(self):
        tables = graph_tables(dense_facts())
        one, same, other = (TripleSplit(TripleSplitConfig(seed=s)).split(tables).phase_R for s in (1, 1, 2))
        assert (one == same).all()
        assert (one != other).any()

    def test_nothing_to_hold_out_is_said(self):
        tables = graph_tables([("a", "r", "b"), ("c", "r", "d")])
        with pytest.raises(DataError, match="none of 4 rows can be held out"):
            TripleSplit(TripleSplitConfig()).split(tables)

    def test_interactions_are_not_facts(self):
        tables = Tables(
            items=pd.DataFrame({"item_id": ["x", "y"]}),
            interactions=pd.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"]}),
        )
        with pytest.raises(DataError, match="not a knowledge graph"):
            TripleSplit(TripleSplitConfig()).split(tables)

    @pytest.mark.parametrize("options", [{"test": 0.0}, {"test": 1.5}, {"test": 0.6, "validation": 0.6}])
    def test_impossible_shares(self, options: dict[str, float]):
        with pytest.raises(PolysceneError, match="leave no facts"):
            TripleSplitConfig(**options)


def test_types_follow_the_majority_and_unknown_relations_say_nothing():
    facts = pd.DataFrame(
        [
            ("alien", "film.film.directed_by", "scott"),
            ("alien", "film.film.genre", "horror"),
            ("alien", "made.up", "x"),
            ("scott", "made.up", "x"),
            ("scott", "made.up", "horror"),
        ],
        columns=["head", "relation", "tail"],
    )
    types = entity_types(facts)
    assert types.to_dict() == {
        "alien": "film",
        "horror": "film genre",
        "scott": "person working in film",
        "x": OTHER,
    }
