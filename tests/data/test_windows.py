"""Steps that happened at the same time, as the items of a basket do."""

from __future__ import annotations

import torch

from polyscene.data.windows import Windows
from polyscene.sequence.states import before_each_step


def windows(*, together: bool) -> Windows:
    time_BT = torch.tensor([[1, 1, 2, 2, 2], [5, 6, 6, 7, 7]])
    index_BT = torch.zeros_like(time_BT)
    return Windows(
        user_B=torch.tensor([0, 1]),
        row_BT=index_BT,
        valid_BT=torch.ones_like(time_BT, dtype=torch.bool),
        item_BT=index_BT,
        value_BT=index_BT.float(),
        time_BT=time_BT,
        columns={},
        ordered=True,
        together=together,
    )


def test_the_first_step_of_a_basket_is_found() -> None:
    assert windows(together=True).first_together_BT().tolist() == [[0, 0, 2, 2, 2], [0, 1, 1, 3, 3]]


def test_no_item_of_a_basket_is_seen_when_another_is_predicted() -> None:
    """State t has seen t steps: within a basket every state is the one from before the basket."""
    h_BTd = torch.arange(6.0).expand(2, 6).unsqueeze(-1)
    assert before_each_step(h_BTd, windows(together=True)).squeeze(-1).tolist() == [
        [0, 0, 2, 2, 2],
        [0, 1, 1, 3, 3],
    ]
    assert before_each_step(h_BTd, windows(together=False)).squeeze(-1).tolist() == [[0, 1, 2, 3, 4]] * 2
