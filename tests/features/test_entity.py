"""Entities: declared columns, content dropout, closed gates, messages."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from torch import nn

from polyscene.data.columns import Category, Id, Number, Tags, Text
from polyscene.errors import CheckpointError, ConfigError, DataError
from polyscene.features import EntityEncoder, SharedModules
from polyscene.testing.state import round_trip
from polyscene.testing.world import TRAIN_ROWS, make_context, make_frame
from tests.invariants.small_world import registry

ROWS = torch.arange(40)


def declare(columns, **options) -> EntityEncoder:
    return EntityEncoder(columns, registry=registry(), fusion=registry().get("fusion", "concat"), **options)


def fit(columns, frame=None, **options) -> EntityEncoder:
    torch.manual_seed(0)
    frame, shared = make_frame() if frame is None else frame, SharedModules()
    entity = declare(columns, **options)
    entity.fit(frame, make_context(frame, shared))
    entity.bind(frame, make_context(frame, shared))
    return entity


def test_a_column_may_have_two_encoders_and_any_name():
    frame = make_frame().rename(columns={"brand": "forward", "price": "items.price (€)"})
    entity = fit([Text(), Text(encoder="tfidf"), Id(), Category("forward"), Number("items.price (€)")], frame)
    assert entity(ROWS.view(4, 10)).shape == (4, 10, 16)
    assert len(entity.fitted()) == 5


def test_without_columns_the_vector_is_zero():
    assert torch.equal(fit([])(ROWS), torch.zeros(40, 16))


def test_all_mistakes_in_the_declaration_are_reported_at_once():
    columns = [
        Category("brand", encoder="categry"),
        Number("price", options={"hiden": 3}),
        Number("size", options={"hidden": "wide"}),
        Tags("tags", options={"weights": "bm25"}),
        Text(),
        Text(),
    ]
    with pytest.raises(ConfigError) as caught:
        declare(columns, gated={"facts"}, owner="shop/items")
    message = str(caught.value)
    assert "shop/items: 6 problems" in message
    for part in (
        "'categry'",
        "did you mean 'category'?",
        "no option 'price.number.hiden'",
        "did you mean 'hidden'?",
        "'size.number.hidden' is 'wide'",
        "weights is 'bm25'",
        "column 'text' is declared twice",
        "gated column 'facts' is not declared",
    ):
        assert part in message


def test_a_missing_column_names_the_nearest_one():
    with pytest.raises(DataError, match=r"column 'brnd' is missing: did you mean 'brand'"):
        fit([Category("brnd"), Id()])


def test_a_column_of_text_is_no_number():
    with pytest.raises(DataError, match=r"shop/items: column 'brand' is declared as a number"):
        fit([Number("brand")])


def test_content_dropout_replaces_ids_in_training_only():
    entity = fit([Text(), Id()], content_dropout=0.5)
    torch.manual_seed(0)
    known = torch.arange(TRAIN_ROWS).repeat(100, 1)
    entity.eval()
    served = entity(known)
    assert (served == served[0]).all()
    entity.train()
    changed = (entity(known) != served).any(-1).float()
    assert 0.45 < changed.mean() < 0.55
    assert 0 < changed[:, 0].mean() < 1, "a row is dropped anew each time"
    entity.content_dropout = 1.0
    encoder = entity.encoders["item_id-id"]
    with torch.no_grad():
        encoder.unknown().add_(1)
    assert not torch.allclose(entity(known), served)


def test_full_content_dropout_hides_the_id():
    entity = fit([Id()], content_dropout=1.0).train()
    vectors = entity(torch.arange(TRAIN_ROWS))
    assert torch.equal(vectors, vectors[:1].expand_as(vectors))


def test_unseen_entities_get_the_unknown_id():
    entity = fit([Id()]).eval()
    unseen = entity(torch.arange(TRAIN_ROWS, 40))
    assert torch.equal(unseen, unseen[:1].expand_as(unseen))
    assert len(entity(torch.arange(TRAIN_ROWS)).unique(dim=0)) == TRAIN_ROWS


@pytest.mark.parametrize("fusion", ["concat", "gated"])
def test_a_closed_gate_changes_nothing_until_it_opens(fusion):
    component = registry().get("fusion", fusion)
    config = component.config() if component.config else None
    frame, shared = make_frame(), SharedModules()
    context = make_context(frame, shared)
    entities = []
    for columns, gated in (([Text(), Id()], ()), ([Text(), Id(), Text("facts", encoder="tfidf")], {"facts"})):
        entity = EntityEncoder(columns, registry=registry(), fusion=component, fusion_config=config, gated=gated)
        entity.fit(frame.assign(facts=frame["tags"]), context)
        entity.bind(frame.assign(facts=frame["tags"]), context)
        entities.append(entity)
    plain, enriched = entities
    enriched.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(enriched(ROWS), plain(ROWS), rtol=0, atol=0)
    enriched(ROWS).square().sum().backward()
    gate = enriched.gates["facts-tfidf"]
    assert gate.grad is not None
    assert gate.grad != 0
    with torch.no_grad():
        gate.add_(0.1)
    assert not torch.allclose(enriched(ROWS), plain(ROWS))


def test_round_trip_through_a_checkpoint(tmp_path):
    columns, frame = [Text(), Text(encoder="tfidf"), Id(), Tags("tags"), Number("price")], make_frame()

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = SharedModules()
            self.items = declare(columns, gated={"price"})

    first, second = Model(), Model()
    first.items.fit(frame, make_context(frame, first.shared))
    second.items.load_fitted(json.loads(json.dumps(first.items.fitted())), make_context(frame, second.shared))
    round_trip(first, second, tmp_path / "model.safetensors")
    for model in (first, second):
        model.items.bind(frame, make_context(frame, model.shared))
        model.eval()
    assert torch.equal(first.items(ROWS), second.items(ROWS))


def test_a_checkpoint_of_other_columns_is_refused():
    fitted = fit([Text(), Id()]).fitted()
    with pytest.raises(CheckpointError, match="item_id-id"):
        declare([Text()]).load_fitted(fitted, make_context(make_frame()))


def test_a_checkpoint_of_another_backbone_is_refused():
    context = make_context(make_frame())
    context.embedding_dim = 99
    with pytest.raises(CheckpointError, match="99"):
        declare([Text()]).load_fitted({"text-text": {"embedding_dim": 12}}, context)


def test_event_columns_are_read_by_event_row():
    events = pd.DataFrame({"price": [1.0, 2.0, float("nan"), 4.0], "kind": [0, 1, 0, 1]})
    entity = declare([Number("price"), Category("kind")], id_column="")
    context = make_context(make_frame().head(len(events)))
    entity.fit(events, context)
    entity.bind(events, context)
    assert entity(torch.tensor([[3, 0], [1, 1]])).shape == (2, 2, 16)
