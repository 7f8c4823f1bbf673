"""The parts that the kg plugin brings: adapter, loss, split, types."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch

from polyscene import (
    DataError,
    Phase,
    PolysceneError,
    Routing,
    Tables,
    Windows,
    both_directions,
)
from polyscene_kg.adapter import ComplexGateBank
from polyscene_kg.data import train_facts
from polyscene_kg.loss import SelfAdversarialConfig, SelfAdversarialLoss
from polyscene_kg.relations import OTHER, entity_types
from polyscene_kg.split import TripleSplit, TripleSplitConfig


class TestComplexGate:
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
