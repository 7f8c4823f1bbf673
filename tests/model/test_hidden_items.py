"""Content dropout as a step sees it: an item is hidden everywhere or nowhere, and with its popularity."""

from __future__ import annotations

import torch

from tests.tiny import LIKES, SHOP, tiny_model


def test_a_step_hides_an_item_wherever_it_stands() -> None:
    model, _, _ = tiny_model((SHOP, LIKES), "model.content_dropout=0.5")
    model.train()
    catalogue = model.catalogue(SHOP)
    hidden_N = catalogue.hidden_N
    assert hidden_N is not None
    assert 0.3 < hidden_N.float().mean() < 0.7
    x_Nd = catalogue.all()
    item_BT = torch.tensor([[3, 8, 3], [8, 3, 8]])
    assert torch.equal(catalogue.take(item_BT), x_Nd[item_BT])
    other = model.catalogue(SHOP).hidden_N
    assert other is not None
    assert not torch.equal(other, hidden_N), "the next step hides others"
    served = model.eval().catalogue(SHOP)
    assert served.hidden_N is None
    changed_N = (served.all() != x_Nd).any(dim=-1)
    assert not changed_N[~hidden_N].any()
    assert changed_N[hidden_N].float().mean() > 0.5, "those that training never saw were new before"


def test_nothing_is_hidden_without_content_dropout() -> None:
    model, _, _ = tiny_model((SHOP,), "model.content_dropout=0")
    assert model.train().catalogue(SHOP).hidden_N is None
