"""What judging tasks share: uneven classes drawn alike, and cutoffs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from polyscene.config.validate import from_mapping_or_raise
from polyscene.data.sampling import RowSampler, WindowSampler, step_generator
from polyscene.errors import ConfigError
from polyscene.registry.components import Registry
from polyscene.tasks.click import ClickConfig, ClickTask
from polyscene.tasks.cutoff import Decision, best_cutoff
from tests.tasks.small import make_context, make_events

# Two likes in ten training rows; what the test rows hold must not count.
EVENTS = make_events(list(range(10)), 12, test=[10, 11], value=[1.0, *[0.0] * 8, 1.0, 1.0, 1.0])


def test_resampled_rows_have_as_many_positives_as_negatives(registry: Registry) -> None:
    task = ClickTask(ClickConfig(resample=True), make_context(EVENTS, registry))
    weights = task.row_weights(EVENTS)
    drawn = RowSampler(EVENTS, 0, weights).draw(2000, step_generator(0, 0, "cpu"), 0).value_BT
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.02)
    windows = WindowSampler(EVENTS, 3, weights).draw(4000, step_generator(0, 0, "cpu"))
    assert windows.labelled_BT is not None
    assert windows.value_BT[windows.labelled_BT].mean().item() == pytest.approx(0.5, abs=0.05)
    assert task.bias.item() == 0.0, "the rate of what is drawn"


def test_without_it_or_with_one_class_rows_come_as_they_are(registry: Registry) -> None:
    assert ClickTask(ClickConfig(), make_context(EVENTS, registry)).row_weights(EVENTS) is None
    same = make_events([0, 1], 2, value=[1.0, 1.0])
    assert ClickTask(ClickConfig(resample=True), make_context(same, registry)).row_weights(same) is None


def test_two_ways_to_even_out_classes_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="balanced and resample both"):
        from_mapping_or_raise(ClickConfig, {"balanced": True, "resample": True}, where="task click")


def value(taken: np.ndarray, label: np.ndarray, measure: Decision) -> float:
    """Counted one by one."""
    found, spared = (taken & label).sum(), (~taken & ~label).sum()
    if measure == "f1":
        return 2 * found / (taken.sum() + label.sum())
    return (found / label.sum() + spared / (~label).sum()) / 2


@example(rows=[(3, True), (2, False), (1, False), (0, False), (-1, True)], measure="f1")
@given(
    rows=st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12),
    measure=st.sampled_from(["f1", "balanced_accuracy"]),
)
def test_no_cutoff_is_better(rows: list[tuple[int, bool]], measure: Decision) -> None:
    score, label = np.array([score for score, _ in rows], dtype=float), np.array([label for _, label in rows])
    found = best_cutoff(torch.from_numpy(score), torch.from_numpy(label), measure)
    if label.all() or not label.any():
        assert found is None
        return
    assert found is not None
    assert found not in score
    every = [value(score > cut, label, measure) for cut in np.arange(-3.5, 3.5)]
    assert value(score > found, label, measure) == pytest.approx(max(every))


def test_validation_rows_settle_the_cutoff_and_the_state_dict_keeps_it(registry: Registry) -> None:
    task = ClickTask(ClickConfig(), make_context(EVENTS, registry))
    logit = torch.tensor([-2.0, -1.0, 0.5])
    assert task.decides(logit).tolist() == [False, False, True]
    task.settle(logit, torch.tensor([False, True, True]))
    assert task.decides(logit).tolist() == [False, True, True]
    other = ClickTask(ClickConfig(), make_context(EVENTS, registry))
    other.load_state_dict(task.state_dict())
    assert other.decides(logit).tolist() == [False, True, True]
    task.settle(logit, torch.tensor([True, True, True]))
    assert torch.equal(task.cutoff, other.cutoff), "one class settles nothing"
