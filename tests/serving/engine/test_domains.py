"""Domains of one scenario share their encoders: a newcomer comes into all of them at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from polyscene.errors import DataError
from polyscene.feedback.events import Reaction
from polyscene.retrieval import Retriever
from polyscene.serving.engine import Engine, Request, Step
from polyscene.serving.engine.shelves import shelves_of
from polyscene.training.assembly import build_model
from polyscene.training.session import Session, prepare_torch
from tests.domains import AGES, GROUPS, domain_config, domain_host
from tests.serving.engine.test_answers import one

BY_USERS, BY_ITEMS = {"shown": {"domains": AGES}}, {"bought": {"domains": GROUPS}}


@pytest.mark.parametrize("options", [BY_USERS, BY_ITEMS], ids=["of users", "of items"])
def test_domains_are_served_like_scenarios(options: dict[str, Any]) -> None:
    config = domain_config("", **options)
    prepare_torch(config)
    session = Session(config, domain_host(), torch.device("cpu"), say=lambda _: None)
    loaded = session.load()
    plain, model = (build_model(session, loaded)[0].eval() for _ in range(2))
    model.load_state_dict(plain.state_dict())
    engine = Engine(shelves_of(session, model, loaded.scenarios), "v1")
    assert list(engine.shelves) == list(loaded.scenarios)
    assert len(engine.shelves) > 1
    for name, shelf in engine.shelves.items():
        served = engine.retriever.served[name]
        retriever = Retriever(plain, {name: type(served)(shelf.counted, served.max_history, served.view)})
        user = int((shelf.counted.start_UP[:, -1] > shelf.counted.start_UP[:, 0]).nonzero()[0])
        best = retriever.find({name: retriever.query(name, torch.tensor([user]))}, 5)[name]
        known = one(engine, Request(name, list(shelf.users)[user], k=5))
        assert known.items == tuple(shelf.ids[item] for item in best.item_BK[0].tolist() if item >= 0)
        assert known.scores == pytest.approx(best.score_BK[0, : len(known.items)].tolist(), rel=1e-5, abs=1e-6)
        steps = tuple(Step(item, 1.0, 1.6e9) for item in shelf.ids[:3])
        given = one(engine, Request(name, "somebody", history=steps, k=5))
        engine.observe([Reaction(s.item, 1.6e9, name, "newcomer", s.item, "click", 1.0) for s in steps])
        found = one(engine, Request(name, "newcomer", k=5))
        assert (found.items, found.scores) == (given.items, given.scores)
        assert found.items
        for rows in ([{"item_id": shelf.ids[0]}], [{"item_id": "new"}]):
            with pytest.raises(DataError, match="a domain is part of a scenario"):
                engine.put_items(name, rows)
