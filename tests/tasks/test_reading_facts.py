"""Tasks on facts: what they read, what they take for negatives, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene.backbone import Backbone, BackboneConfig
from polyscene.backbone.adapters.options import LoraOptions
from polyscene.data.access import DataAccess
from polyscene.data.build import build_events
from polyscene.data.columns import Category
from polyscene.data.phases import Phase
from polyscene.data.scenario import Scenario, View
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables
from polyscene.data.windows import Windows, windows_of_rows
from polyscene.errors import DataError
from polyscene.evaluation.evaluator import evaluate_scorer
from polyscene.evaluation.requests import POPULATIONS
from polyscene.evaluation.subject import Subject
from polyscene.features.encoder import SharedModules
from polyscene.graph import both_directions
from polyscene.registry.components import Registry
from polyscene.tasks.bi_encoder import BiEncoderConfig, BiEncoderTask
from polyscene.tasks.facts import KnownFacts
from polyscene.tasks.kg_bert import KgBertConfig, KgBertTask
from polyscene.tasks.task import TaskContext
from polyscene.tasks.triple import TripleConfig, TripleTask
from tests.tasks.small import Table

SCENARIO = Scenario("graph", load=lambda config, data: None, event_columns=(Category("relation"),))  # type: ignore[arg-type, return-value]
NAMES = ["bone", "cell", "drug", "virus"]
FACTS = [
    ("bone", "has", "cell", "train"),
    ("drug", "treats", "virus", "train"),
    ("virus", "harms", "cell", "train"),
    ("virus", "harms", "bone", "train"),
    ("drug", "treats", "bone", "test"),
]


def graph(
    facts: list[tuple[str, str, str, str]] = FACTS, text: list[str | None] | None = None
) -> tuple[Tables, Split]:
    frame = pd.DataFrame(facts, columns=["head", "relation", "tail", "split"])
    items = pd.DataFrame({"item_id": NAMES, "text": text or NAMES})
    tables = Tables(items=items, interactions=both_directions(frame), users=pd.DataFrame({"user_id": NAMES}))
    phases = {"train": Phase.TRAIN, "test": Phase.TEST}
    phase_R = np.array([phases[name] for name in tables.interactions["split"]], dtype=np.int8)
    cold = np.zeros(len(NAMES), dtype=bool)
    return tables, Split(phase_R, cold, cold, "given", ordered=False, fingerprint=tables.fingerprint())


def context(registry: Registry, made: tuple[Tables, Split] | None = None, backbone: Any = None) -> TaskContext:
    tables, split = made or graph()
    events = build_events(tables, split, SCENARIO)
    shared = SharedModules()
    return TaskContext(8, events, registry, "scenario.graph", SCENARIO, tables, backbone, shared)


def small_backbone(tiny: Path, cache: Path, **options: Any) -> Backbone:
    config = BackboneConfig(model=str(tiny), dtype="float32", **options)
    return Backbone(config, DataAccess(cache=cache), cache, progress=False)


def training_rows(known: TaskContext) -> Windows:
    user, row = (torch.from_numpy(array) for array in known.events.rows([Phase.TRAIN]))
    return windows_of_rows(known.events, user, row[:, None], torch.ones(len(row), 1, dtype=torch.bool))


TUNED = {"tune": "suffix", "suffix_layers": 2, "peft": LoraOptions()}


def test_only_training_facts_are_known(registry: Registry) -> None:
    known = context(registry)
    facts = KnownFacts(known.events)
    user, row = (torch.from_numpy(array) for array in known.events.rows([Phase.TRAIN, Phase.TEST]))
    relation, item = known.events.columns["relation"][row].long(), known.events.item_R[row].long()
    tested = np.isin(row.numpy(), known.events.rows([Phase.TEST])[1])
    assert (facts(user, relation, item).numpy() == ~tested).all()
    assert tested.sum() == 2


@pytest.mark.parametrize("options", [{}, TUNED])
def test_both_rows_of_a_fact_read_the_same(options: Any, registry: Registry, tiny: Path, tmp_path: Path) -> None:
    known = context(registry, backbone=small_backbone(tiny, tmp_path, **options))
    task = KgBertTask(KgBertConfig(), known)
    windows = training_rows(known)
    relation = windows.columns["relation"][:, 0].long()
    with torch.no_grad():
        vector_Mh = task.reader.facts(windows.user_B, relation, windows.item_BT[:, 0])
    pairs = [
        tuple(sorted(pair)) for pair in zip(windows.user_B.tolist(), windows.item_BT[:, 0].tolist(), strict=True)
    ]
    for pair in set(pairs):
        first, second = (index for index, other in enumerate(pairs) if other == pair)
        torch.testing.assert_close(vector_Mh[first], vector_Mh[second])
        # A direction of its own: head and tail exchanged is another fact.
        turned = task.reader.facts(windows.item_BT[[first], 0], relation[[first]], windows.user_B[[first]])
        assert not torch.allclose(turned[0], vector_Mh[first], atol=1e-4)


@pytest.mark.parametrize("options", [{}, TUNED])
def test_kg_bert_ranks_as_it_judges_and_learns(
    options: Any, registry: Registry, tiny: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    known = context(registry, backbone=small_backbone(tiny, tmp_path, **options))
    task, windows, table = (
        KgBertTask(KgBertConfig(loss="binary"), known),
        training_rows(known),
        Table(torch.zeros(4, 8)),
    )
    parameters = [
        p for module in (task, *task.reader.shared.values()) for p in module.parameters() if p.requires_grad
    ]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    losses = []
    for _ in range(30):
        loss = task.loss(torch.zeros(len(windows.user_B), 1, 8), windows, table).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    with torch.no_grad():
        scores_BN = task.joint_scores(windows, torch.arange(4))
        one = task._logits(windows.user_B, windows.columns["relation"][:, 0].long(), windows.item_BT[:, 0])
    torch.testing.assert_close(scores_BN.gather(1, windows.item_BT)[:, 0], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, TUNED])
def test_the_bi_encoder_learns_from_the_batch(
    options: Any, registry: Registry, tiny: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    known = context(registry, backbone=small_backbone(tiny, tmp_path, **options))
    task, windows = BiEncoderTask(BiEncoderConfig(hidden=32, negatives=16), known), training_rows(known)
    table = Table(torch.randn(4, 8))
    parameters = [
        p for module in (task, *task.reader.shared.values()) for p in module.parameters() if p.requires_grad
    ]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(40):
        loss = task.loss(task.query(windows, table), windows, table).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores_BN = task.scores(task.query(windows, table)[:, 0], table.all(), torch.arange(4), "all")
    relation = windows.columns["relation"].long()
    true_BN = task.known(windows.user_B[:, None], relation, torch.arange(4))
    # Both answers of (virus, harms) may come first; nothing else may.
    assert true_BN.gather(1, scores_BN.argmax(1, keepdim=True)).all()


def test_own_vectors_learn_and_ignore_the_states(registry: Registry) -> None:
    torch.manual_seed(0)
    known = context(registry)
    task = TripleTask(TripleConfig(scoring="complex", own_width=16, regularization="n3"), known)
    windows, table = training_rows(known), Table(torch.zeros(4, 8))
    optimizer = torch.optim.Adam(task.parameters(), lr=0.05)
    states = torch.full((len(windows.user_B), 1, 8), torch.nan)
    for _ in range(60):
        loss = task.loss(states, windows, table).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scores_BN = task.joint_scores(windows, torch.arange(4))
    assert loss.isfinite()
    known_BN = KnownFacts(known.events)(
        windows.user_B[:, None], windows.columns["relation"].long(), torch.arange(4)
    )
    assert known_BN.gather(1, scores_BN.argmax(1, keepdim=True)).all()


def test_an_entity_without_text_cannot_be_read(registry: Registry, tiny: Path, tmp_path: Path) -> None:
    known = context(registry, graph(text=["bone", None, "drug", " "]), small_backbone(tiny, tmp_path))
    for task, config in ((KgBertTask, KgBertConfig()), (BiEncoderTask, BiEncoderConfig())):
        with pytest.raises(DataError, match=r"2 of 4 entities have no text, such as 'cell', 'virus'") as error:
            task.texts(config, known)
        assert "use task triple" in str(error.value)


def test_a_relation_seen_in_the_test_only(registry: Registry, tiny: Path, tmp_path: Path) -> None:
    unseen = graph([*FACTS, ("drug", "binds", "cell", "test")])
    with pytest.raises(DataError, match=r"1 relations occur outside training only: 'binds' \(1 facts\)"):
        TripleTask(TripleConfig(), context(registry, unseen))
    BiEncoderTask(BiEncoderConfig(), context(registry, unseen, small_backbone(tiny, tmp_path)))


def test_metrics_by_hand_over_both_directions_with_ties() -> None:
    tables, split = graph()
    subject = Subject("graph", SCENARIO, build_events(tables, split, SCENARIO), from_history=False, protocol="")
    # Test fact (drug, treats, bone). From drug, the true virus is left out: bone is second of bone, cell, drug.
    # From bone all four stay, and drug ties with cell behind the others: third or fourth, by the rule for ties.
    scores = {NAMES.index("drug"): [0.5, 0.9, 0.1, 1.0], NAMES.index("bone"): [0.8, 0.2, 0.2, 0.9]}
    found = evaluate_scorer(
        subject,
        POPULATIONS[0],
        View(),
        lambda requests, _: torch.tensor([scores[user] for user in requests.user_B.tolist()]),
    )
    assert found["mrr"].mean == pytest.approx((1 / 2 + 1 / 3) / 2) or found["mrr"].mean == pytest.approx(
        (1 / 2 + 1 / 4) / 2
    )
    assert found["mean_rank"].mean in (2.5, 3.0)
    assert (found["hit@1"].mean, found["hit@10"].mean) == (0, 1)
    assert found["hit@3"].mean == (1.0 if found["mean_rank"].mean == 2.5 else 0.5)
