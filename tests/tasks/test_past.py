"""The sampled past: what a user did with other items, never what is asked for."""

from __future__ import annotations

from dataclasses import replace

import torch

from polyscene.data.events import Events
from polyscene.tasks.past import SampledPast

ITEMS, WIDTH = 6, 4


def make_events(item: list[int], stop: list[int]) -> Events:
    """Users with training rows up to each stop and a test row of item 5 after them."""
    item_R, start = [], []
    begin = 0
    for end in stop:
        start.append([len(item_R)] + [len(item_R) + end - begin] * 3 + [len(item_R) + end - begin + 1] * 2)
        item_R += [*item[begin:end], 5]
        begin = end
    rows = len(item_R)
    return Events(
        item_R=torch.tensor(item_R, dtype=torch.int32),
        value_R=torch.ones(rows),
        time_R=torch.zeros(rows, dtype=torch.int64),
        start_UP=torch.tensor(start),
        n_items=ITEMS,
        cold_N=torch.zeros(ITEMS, dtype=torch.bool),
        cold_U=torch.zeros(len(stop), dtype=torch.bool),
    )


# User 0 has items 0, 1, 2; user 1 has 3; user 2 has none.
EVENTS = make_events([0, 1, 2, 3], [3, 4, 4])
LABELS = torch.tensor([True, False, True, True, False, True, True])


def make_past(events: Events = EVENTS, label_R: torch.Tensor = LABELS) -> SampledPast:
    torch.manual_seed(0)
    past = SampledPast(events, label_R, WIDTH, rows=30)
    with torch.no_grad():
        past.out.weight.copy_(torch.eye(WIDTH))
        past.vector_Ld.normal_()
        past.vector_Ld[0] = 0
    return past


def test_a_state_is_the_mean_of_the_vectors_of_items_and_labels() -> None:
    past = make_past().eval()
    user_B = torch.tensor([0, 1])
    # Positions 1 + 2 * item + label: items 0 and 2 were liked, 1 and 3 were not.
    expected = torch.stack([past.vector_Ld[[2, 3, 6]].mean(0), past.vector_Ld[7]])
    torch.testing.assert_close(past(user_B, None), past.norm(expected))
    assert torch.equal(past(user_B, None), past(user_B, None))


def test_nothing_is_told_of_the_item_that_a_user_is_about_to_meet() -> None:
    flipped = LABELS.clone()
    flipped[1] = True
    before, after = make_past(), make_past(label_R=flipped)
    user_B, item_B = torch.tensor([0, 0]), torch.tensor([1, 0])
    outputs = []
    for past in (before.train(), after.train()):
        torch.manual_seed(1)
        outputs.append(past(user_B, item_B))
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert not torch.equal(outputs[0][1], outputs[1][1])


def test_a_user_with_no_other_row_and_one_without_rows_are_the_same() -> None:
    past = make_past().train()
    met, unknown = past(torch.tensor([1, 2]), torch.tensor([3, 3]))
    assert torch.equal(met, unknown)


def test_rows_after_training_are_not_read() -> None:
    other = replace(EVENTS, item_R=torch.where(EVENTS.item_R == 5, 4, EVENTS.item_R).int())
    user_B = torch.arange(3)
    assert torch.equal(make_past(other).eval()(user_B, None), make_past().eval()(user_B, None))


def test_it_starts_as_nothing() -> None:
    past = SampledPast(EVENTS, LABELS, WIDTH, rows=3)
    assert past(torch.arange(3), None).abs().sum() == 0
