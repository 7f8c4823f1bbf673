"""Learning from shots: what makes a step cheap must not change what is learned."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from polyscene.config.adapt import LearnConfig
from polyscene.training.adapt.learn import learn
from polyscene.training.adapt.model import fresh_model
from polyscene.training.loading import with_draw
from tests.tiny import LIKES, tiny_config, tiny_session

ENCODE_ONCE = "polyscene.training.adapt.learn._encode_once"


def test_items_are_encoded_once_in_a_step_and_the_same_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    session = tiny_session(tiny_config("", (LIKES,)))
    one = with_draw(session.load([LIKES]).scenarios[LIKES], 20, 0)
    asked: list[Tensor] = []

    def learned() -> dict[str, Tensor]:
        model = fresh_model(session, one, seed=0)
        model.whole_catalogue_items = 0  # as if the catalogue were large
        model.items[LIKES].register_forward_hook(lambda _, rows, __: asked.append(rows[0]))
        learn(model, one, LearnConfig(steps=3), owned=None, seed=0, rows=64)
        # The bias of keys changes no attention: its gradient is rounding alone, which Adam makes large.
        return {key: x for key, x in model.state_dict().items() if "key_value.bias" not in key}

    once = learned()
    pasts = asked[::3]  # then a step asks for its shots, and for candidates
    assert len(pasts) == 3
    assert all(len(items.unique()) == len(items) for items in pasts)
    monkeypatch.setattr(ENCODE_ONCE, lambda *_: None)
    torch.testing.assert_close(learned(), once, rtol=0, atol=1e-4)
