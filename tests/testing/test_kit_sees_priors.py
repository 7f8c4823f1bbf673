"""The suite of priors: each of its checks fails on a prior that is broken in the way that it is there to find."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.counting import counted, per_item
from polyscene.priors.prior import Prior, PriorConfig
from polyscene.registry.components import Component
from polyscene.testing import PriorSuite, suite_of


class Popular(Prior):
    """``log(1 + n)`` of the n users who had an item, as it should be."""

    def observe(self, events: Events, phases: Iterable[Phase]) -> None:
        count_N = torch.from_numpy(np.asarray(events.matrix(phases).sum(axis=0)).ravel())
        self.register_buffer("count_N", count_N, persistent=False)

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        count_QN = self.count_N.expand(len(past.user_B), -1)
        if hidden is not None:
            n_items = len(self.count_N)
            had_QN = per_item(past, counted(past).float(), n_items) > 0
            count_QN = count_QN - ((per_item(hidden, counted(hidden).float(), n_items) > 0) & ~had_QN).float()
        return count_QN.log1p()


class Leaking(Popular):
    """Knows the row that it is asked for."""

    def forward(self, past, hidden=None):
        return super().forward(past)


class Greedy(Popular):
    """Counts what was not observed."""

    def observe(self, events, phases):
        super().observe(events, Phase)


class Adding(Popular):
    """Counts twice."""

    def observe(self, events, phases):
        before = getattr(self, "count_N", 0)
        super().observe(events, phases)
        self.count_N = self.count_N + before


class Batchwise(Popular):
    """Scores relative to the others of the batch."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden) * past.length_B.float().mean()


class Generous(Popular):
    """Says something of what nobody had."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden) + 1


class Padded(Popular):
    """Reads padded places."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden) * (1 + past.item_BT.sum(dim=1, keepdim=True))


class Ordered(Popular):
    """Reads the order of rows that have none."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden) * (1 + past.item_BT[:, :1])


class Misled(Popular):
    """Takes out what padding holds."""

    def forward(self, past, hidden=None):
        score_QN = super().forward(past, hidden)
        return score_QN if hidden is None else score_QN.scatter(1, hidden.item_BT[:, -1:], 0.0)


class Writing(Popular):
    """Forgets what was hidden for good."""

    def forward(self, past, hidden=None):
        score_QN = super().forward(past, hidden)
        if hidden is not None:
            self.count_N = score_QN[0].expm1()
        return score_QN


class Narrow(Popular):
    """Cannot read the items that came later."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden) + 0 * self.count_N[past.item_BT].sum(dim=1, keepdim=True)


class Registered(Popular):
    """Knows the users whom it was made with, and no others."""

    def __init__(self, config, data):
        super().__init__(config, data)
        self.weight_U = np.ones(data.events.n_users)

    def observe(self, events, phases):
        user_R, row_R = events.rows(phases)
        weight_R, item_R = torch.from_numpy(self.weight_U[user_R]), events.item_R[torch.from_numpy(row_R)].long()
        count_N = torch.bincount(item_R, weights=weight_R, minlength=events.n_items).float()
        self.register_buffer("count_N", count_N, persistent=False)


class Saving(Popular):
    """Puts its counts into checkpoints."""

    def observe(self, events, phases):
        super().observe(events, phases)
        self.register_buffer("count_N", self.count_N)


class Waiting(Popular):
    """Asks the device for a value."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden) * (1.0 if past.item_BT.sum().item() >= 0 else 0.0)


class Infinite(Popular):
    """Takes the logarithm of nothing."""

    def forward(self, past, hidden=None):
        return super().forward(past, hidden).log()


class Silent(Popular):
    """Does not say what would do instead."""

    def __init__(self, config, data):
        super().__init__(config, data)
        if not data.events.ordered:
            raise DataError("these rows have no order", where=data.where)


class Choosy(Popular):
    """Can be built on nothing that the suite has."""

    def __init__(self, config, data):
        raise DataError("there is no column 'shelf'", where=data.where, fix="add it")


BROKEN: list[tuple[type[Prior], str, str]] = [
    (Infinite, "one_finite_score_for_each_item", "is not finite"),
    (Silent, "one_finite_score_for_each_item", "these rows have no order, it says, and not what to do"),
    (Choosy, "one_finite_score_for_each_item", r"it can read none of viewers, .*there is no column 'shelf'"),
    (Generous, "what_no_row_holds_and_nothing_describes_gets_zero", "nothing counted is 0"),
    (Batchwise, "a_row_does_not_depend_on_the_other_rows", "change with the histories beside them"),
    (Padded, "padding_changes_nothing", "padded places"),
    (Ordered, "where_rows_have_no_order_their_places_do_not_count", "listeners changes with the order"),
    (Leaking, "hidden_rows_were_never_counted", "take all that they added out of the counts"),
    (Misled, "nothing_hidden_is_nothing_left_out", "hidden.valid_BT"),
    (Greedy, "held_out_rows_are_not_counted", r"events.rows\(phases\)"),
    (Adding, "counting_starts_anew", "count instead of adding"),
    (Writing, "scoring_moves_no_state", "must not write"),
    (Narrow, "what_came_later_is_served", "index"),
    (Registered, "rows_of_who_came_later_are_counted", "out of bounds"),
    (Saving, "statistics_stay_out_of_checkpoints", "persistent=False"),
    (Waiting, "scoring_waits_for_no_device", "_local_scalar_dense|data-dependent|item"),
]
TESTS = sorted(name.removeprefix("test_") for name in vars(PriorSuite) if name.startswith("test_"))


def run(build: type[Prior], test: str, config: type | None = PriorConfig) -> None:
    check: Callable[[], None] = getattr(suite_of(Component("prior", "popular", build, config))(), f"test_{test}")
    check()


@pytest.mark.parametrize(("build", "test", "says"), BROKEN, ids=lambda one: getattr(one, "__name__", None))
def test_a_broken_prior_is_seen(build: type[Prior], test: str, says: str) -> None:
    with pytest.raises(Exception, match=says) as caught:
        run(build, test)
    assert isinstance(caught.value, AssertionError) or build in (Narrow, Registered, Waiting), repr(caught.value)


def test_a_prior_whose_gate_has_no_start_is_seen() -> None:
    with pytest.raises(AssertionError, match="derive its config class from PriorConfig"):
        run(Popular, "its_options_say_how_open_the_gate_is_at_first", config=None)


@pytest.mark.parametrize("test", TESTS)
def test_what_is_broken_above_is_sound_where_it_is_not_broken(test: str) -> None:
    run(Popular, test)


def test_every_check_has_somebody_who_fails_it() -> None:
    assert {test for _, test, _ in BROKEN} | {"its_options_say_how_open_the_gate_is_at_first"} == set(TESTS)
