"""Negatives of an episode: in proportion to their shares, and never what has none."""

from __future__ import annotations

import pytest
import torch

from polyscene.training.meta.catalogue import Drawn

SHARE_N = torch.tensor([0.0, 0.5, 0.0, 0.25, 0.25, 0.0])


@pytest.mark.parametrize("offset", [0.0, 1e-9, 0.5, 1 - 1e-7, 1.0])
def test_an_item_without_a_share_is_never_drawn(offset: float) -> None:
    item_C = Drawn(torch.tensor(offset), None).draw(SHARE_N, 8)
    assert (SHARE_N[item_C] > 0).all()


def test_shares_are_kept() -> None:
    item_C = Drawn(torch.tensor(0.3), None).draw(SHARE_N, 400)
    torch.testing.assert_close(torch.bincount(item_C, minlength=6) / 400, SHARE_N, atol=0.005, rtol=0)
