"""The count gate: ids count by how often training saw them, and content for the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from polyscene.data.columns import Id, Text
from polyscene.features import EntityEncoder, SharedModules
from polyscene.features.count_gate import CountGate
from polyscene.testing.world import TRAIN_ROWS, make_context, make_frame
from tests.invariants.small_world import registry

CONCAT = registry().get("fusion", "concat")
ROWS = torch.arange(40)
COUNTS = np.where(np.arange(40) < TRAIN_ROWS, 1 + np.arange(40), 0)


def made(*columns: Text | Id) -> EntityEncoder:
    torch.manual_seed(0)
    frame = make_frame()
    entity = EntityEncoder(
        columns, registry=registry(), fusion=registry().get("fusion", "concat"), count_gate=True
    )
    context = replace(make_context(frame, SharedModules()), train_counts=COUNTS)
    entity.fit(frame, context)
    entity.bind(frame, context)
    return entity.eval()


def test_the_gate_is_closed_at_zero_and_rises_with_the_count() -> None:
    gate = CountGate()
    weight = gate(torch.arange(100.0))
    assert weight[0] == 0
    assert (weight.diff() > 0).all()
    assert weight[4] == 0.5
    weight[4].backward()
    assert gate.log_half.grad is not None
    assert gate.log_half.grad < 0, "a larger k trusts ids less"


def test_an_unseen_entity_is_exactly_its_content() -> None:
    entity = made(Text(), Id())
    before = entity(ROWS)
    with torch.no_grad():
        entity.encoders["item_id-id"].shared["space"].vector_Md.normal_()  # type: ignore[union-attr]
    changed = (entity(ROWS) - before).norm(dim=-1)
    assert (changed[TRAIN_ROWS:] == 0).all()
    assert (changed[:TRAIN_ROWS] > 0).all()
    content = entity.views(ROWS)[1]
    assert torch.equal(content[TRAIN_ROWS:], entity(ROWS)[TRAIN_ROWS:])
    hidden = torch.ones(40, dtype=torch.bool)
    assert torch.equal(entity(ROWS, hidden), content)


def test_counts_add_up_over_the_tables_of_a_space() -> None:
    space = made(Text(), Id()).encoders["item_id-id"].shared["space"]  # type: ignore[union-attr]
    assert space.count_M[space.position["i3"]] == 4
    space.mark_trained({"i3": 2, "nobody": 5})
    space.mark_trained(["i3"])
    assert space.count_M[space.position["i3"]] == 7


def test_ids_alone_are_not_gated() -> None:
    assert len(made(Id()).count_gates) == 0
