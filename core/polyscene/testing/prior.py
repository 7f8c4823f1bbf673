"""What must hold for every prior: it counts known rows alone, forgets hidden ones exactly, and keeps no state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import DataError
from polyscene.priors.moments import facts_asked, moments
from polyscene.priors.prior import Prior, PriorConfig, PriorData
from polyscene.testing.histories import (
    FACTS,
    FRIENDS,
    KINDS,
    make_data,
    make_events,
    with_arrivals,
    without_facts,
    without_rows,
)
from polyscene.testing.state import DEVICE, assert_same, step_without_values
from polyscene.testing.suite import ComponentSuite
from polyscene.testing.windows import (
    LONGEST,
    asked_facts,
    on,
    pasts,
    some,
    turned,
    with_other_padding,
    without_any,
)

# Scores are logarithms of small chances, so rounding shows more than elsewhere.
_ROUNDING = 1e-3
# Of so many training rows, one is asked for as if it had not happened.
_APART = 7


@dataclass(frozen=True)
class Counted:
    """A prior that has counted the training rows of some histories, and what it is asked.

    Args:
        kind: of the histories, one of :data:`polyscene.testing.histories.KINDS`, or facts.
        events: their rows.
        prior: the prior.
        known: all that each user had; of facts, one of each head to be completed.
        past, hidden: what users had before some training rows, and what must be left out then.
    """

    kind: str
    events: Events
    prior: Prior
    known: Windows
    past: Windows
    hidden: Windows


class PriorSuite(ComponentSuite):
    """Tests of a prior on the small histories of :mod:`polyscene.testing.histories`.

    It is tested on all kinds of them that it can read; of the others it must say what it lacks. One that says what
    completes a fact (``of_facts``) is tested on facts.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.priors.recent_popularity import RecentPopularity, RecentPopularityConfig
        >>> class TestRecentPopularity(PriorSuite):
        ...     component = Component("prior", "recent_popularity", RecentPopularity, RecentPopularityConfig)
    """

    kind = "prior"

    def data(self, events: Events, kind: str, seed: int = 1) -> PriorData:
        """What the prior may read; override it to add the columns that it needs.

        Args:
            events: rows that a prior may count.
            kind: of the histories, one of :data:`polyscene.testing.histories.KINDS`.
            seed: of what describes the items.
        """
        return make_data(events, kind, seed)

    def prior(self, kind: str, events: Events, seed: int = 1) -> Prior:
        """A prior that has counted training rows."""
        prior: Prior = self.made(data=self.data(events, kind, seed)).eval()
        prior.observe(events, [Phase.TRAIN])
        return prior

    def kinds(self) -> tuple[str, ...]:
        """The kinds of histories that there are for it."""
        return (FACTS,) if getattr(self.component.build, "of_facts", False) else KINDS

    def lacking(self) -> dict[str, DataError]:
        """What it says of the kinds of histories that it cannot read."""
        lacks: dict[str, DataError] = {}
        for kind in self.kinds():
            try:
                self.made(data=self.data(make_events(kind), kind))
            except DataError as error:
                lacks[kind] = error
        return lacks

    def counted(self) -> Iterator[Counted]:
        """The prior on each kind of histories that it can read."""
        lacks, kinds = self.lacking(), self.kinds()
        for kind in (kind for kind in kinds if kind not in lacks):
            events = make_events(kind)
            prior = self.prior(kind, events)
            user_Q, row_Q = (torch.from_numpy(array[::_APART]) for array in events.rows([Phase.TRAIN]))
            facts = kind == FACTS
            asked = facts_asked(events, user_Q, row_Q) if facts else moments(events, user_Q, row_Q, LONGEST)
            yield Counted(kind, events, prior, _known(kind, events), asked.past, asked.hidden)
        silent = [kind for kind, error in lacks.items() if not error.fix]
        assert not silent, f"{lacks[silent[0]].what}, it says, and not what to do: raise DataError(..., fix=...)"
        assert len(lacks) < len(kinds), (
            f"it can read none of {', '.join(kinds)} ({next(iter(lacks.values())).what}): write a suite of its "
            "own with options with which it can, or with the data that it reads"
        )

    def test_its_options_say_how_open_the_gate_is_at_first(self) -> None:
        assert isinstance(self.config(), PriorConfig), "derive its config class from PriorConfig"

    def test_one_finite_score_for_each_item(self) -> None:
        for one in self.counted():
            for past, hidden in ((one.known, None), (one.past, one.hidden)):
                score_QN, expected = one.prior(past, hidden), (len(past.user_B), one.events.n_items)
                assert score_QN.shape == expected, f"{tuple(score_QN.shape)} scores instead of {expected}"
                assert score_QN.dtype == torch.float32, f"scores are {score_QN.dtype}: return .float()"
                assert score_QN.isfinite().all(), f"a score of {one.kind} is not finite"

    def test_what_no_row_holds_and_nothing_describes_gets_zero(self) -> None:
        for one in self.counted():
            score_UN = one.prior(one.known)
            never_N = torch.ones(one.events.n_items, dtype=torch.bool)
            never_N[one.events.item_R.long()] = False
            # A score that changes with what describes items says something of the item itself.
            told_N = (self.prior(one.kind, one.events, seed=2)(one.known) != score_UN).any(dim=0)
            silent = bool((score_UN[:, never_N & ~told_N] == 0).all())
            assert silent, "an item that nobody had gets a score: nothing counted is 0, as with log(1 + count)"

    def test_a_row_does_not_depend_on_the_other_rows(self) -> None:
        for one in self.counted():
            why = f"scores of {one.kind} change with the histories beside them"
            for past, hidden in ((one.known, None), (one.past, one.hidden)):
                together_QN = one.prior(past, hidden)
                for chosen in ([3], [2, 0]):
                    alone_QN = one.prior(some(past, chosen), None if hidden is None else some(hidden, chosen))
                    _assert_near(alone_QN, together_QN[chosen], why)

    def test_padding_changes_nothing(self) -> None:
        for one in self.counted():
            why = "what stands at padded places counts: weigh with windows.valid_BT"
            past, hidden = with_other_padding(one.past), with_other_padding(one.hidden)
            assert_same(one.prior(past), one.prior(one.past), why)
            assert_same(one.prior(past, hidden), one.prior(one.past, one.hidden), why)

    def test_where_rows_have_no_order_their_places_do_not_count(self) -> None:
        for one in self.counted():
            if not one.events.ordered:
                why = f"a score of {one.kind} changes with the order of rows, which means nothing there"
                _assert_near(one.prior(turned(one.known)), one.prior(one.known), why)

    def test_hidden_rows_were_never_counted(self) -> None:
        for one in self.counted():
            left_out_QN, expected_QN = one.prior(one.past, one.hidden), self._never_counted(one, both_ends=False)
            if one.kind == FRIENDS and not _near(left_out_QN, expected_QN):
                # Whoever counts links in both directions forgets what the other end says of them, too.
                expected_QN = self._never_counted(one, both_ends=True)
            why = (
                f"scores of {one.kind} with hidden rows are not those of a prior that never counted them: take "
                "all that they added out of the counts"
            )
            _assert_near(left_out_QN, expected_QN, why)

    def test_nothing_hidden_is_nothing_left_out(self) -> None:
        for one in self.counted():
            why = "hidden windows without a row change a score: look at hidden.valid_BT"
            _assert_near(one.prior(one.past, without_any(one.hidden)), one.prior(one.past), why)

    def test_held_out_rows_are_not_counted(self) -> None:
        for one in self.counted():
            held = one.events.rows([Phase.VALIDATION])[1]
            item_R = one.events.item_R.clone()
            item_R[held] = (item_R[held] + 1) % one.events.n_items
            other_UN = self.prior(one.kind, replace(one.events, item_R=item_R))(one.known)
            why = "rows outside the observed phases count: take those of events.rows(phases)"
            assert_same(other_UN, one.prior(one.known), why)

    def test_counting_starts_anew(self) -> None:
        for one in self.counted():
            first_UN = one.prior(one.known)
            for phases in ([Phase.TRAIN], [Phase.TRAIN, Phase.VALIDATION]):
                one.prior.observe(one.events, phases)
                one.prior.observe(one.events, [Phase.TRAIN])
                why = f"after observe() of {one.kind} again the scores are others: count instead of adding"
                assert_same(one.prior(one.known), first_UN, why)

    def test_scoring_moves_no_state(self) -> None:
        for one in self.counted():
            given = one.past.item_BT.clone(), one.past.valid_BT.clone()
            before_QN = one.prior(one.past)
            one.prior(one.past, one.hidden)
            same = torch.equal(one.prior(one.past), before_QN)
            assert same, (
                "the same history gets other scores after hidden rows were scored: forward() must not write"
            )
            kept = torch.equal(one.past.item_BT, given[0]) and torch.equal(one.past.valid_BT, given[1])
            assert kept, "forward() changes the windows that it is given"

    def test_what_came_later_is_served(self) -> None:
        """Items and a user who came after the count, in the tables and in histories."""
        for one in self.counted():
            later = with_arrivals(one.events)
            one.prior.receive(self.data(later, one.kind))
            score_UN, widths = one.prior(_known(one.kind, later)), (one.events.n_items, later.n_items)
            assert score_UN.isfinite().all(), "a score is not finite once items came that no count knows"
            assert score_UN.shape[1] in widths, f"{score_UN.shape[1]} scores of {widths[0]} or {widths[1]} items"
            one.prior.observe(replace(one.events, n_items=later.n_items), [Phase.TRAIN])
            assert one.prior(_known(one.kind, later)).shape[1] == later.n_items, (
                "after observe() new items have no score"
            )

    def test_rows_of_who_came_later_are_counted(self) -> None:
        """As a service counts feedback: of users whom the data did not have when the prior was made."""
        for one in (one for one in self.counted() if one.kind not in (FRIENDS, FACTS)):
            later, n_items = with_arrivals(one.events), one.events.n_items
            came = replace(
                later, item_R=later.item_R.clamp(max=n_items - 1), n_items=n_items, cold_N=one.events.cold_N
            )
            one.prior.observe(came, [Phase.TRAIN])
            score_UN = one.prior(one.known)
            assert score_UN.shape == (len(one.known.user_B), n_items), (
                "rows of a user who came later make other items"
            )
            assert score_UN.isfinite().all(), (
                "a score is not finite once rows of a user are counted who came later"
            )

    def test_statistics_stay_out_of_checkpoints(self) -> None:
        for one in self.counted():
            saved = sorted(one.prior.state_dict())
            assert not saved, (
                f"{', '.join(saved)} would be saved, and sizes change with what is counted: use "
                "register_buffer(name, tensor, persistent=False)"
            )

    def test_scoring_waits_for_no_device(self) -> None:
        for one in self.counted():
            prior, past, hidden = _dense(one.prior).to(DEVICE), on(one.past, DEVICE), on(one.hidden, DEVICE)
            step_without_values(prior, past)
            step_without_values(prior, past, hidden)

    def _never_counted(self, one: Counted, *, both_ends: bool) -> Tensor:
        """Scores ``[Q, N]`` of priors that counted everything but what is hidden from each row."""
        user_R, row_R = (torch.from_numpy(array) for array in one.events.rows([Phase.TRAIN]))
        item_R, found = one.events.item_R.long(), []
        for place, user in enumerate(one.past.user_B.tolist()):
            row_H = one.hidden.row_BT[place, one.hidden.valid_BT[place]]
            if both_ends:
                row_H = torch.cat([row_H, row_R[torch.isin(user_R, item_R[row_H]) & (item_R[row_R] == user)]])
            # A fact to be completed is not even known, where a row that is not counted may be part of a history.
            without = without_facts if one.kind == FACTS else without_rows
            fresh = self.prior(one.kind, without(one.events, row_H))
            found.append(fresh(some(one.past, [place])))
        return torch.cat(found)


def _known(kind: str, events: Events) -> Windows:
    return asked_facts(events) if kind == FACTS else pasts(events)


def _dense(prior: Prior) -> Prior:
    """The prior with dense tensors, as sparse ones without values cannot be multiplied."""
    for module in prior.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_sparse:
                module.register_buffer(name, buffer.to_dense(), persistent=False)
    return prior


def _near(actual: Tensor, expected: Tensor) -> bool:
    return torch.allclose(actual, expected, rtol=_ROUNDING, atol=_ROUNDING)


def _assert_near(actual: Tensor, expected: Tensor, why: str) -> None:
    assert_same(actual, expected, why, rtol=_ROUNDING, atol=_ROUNDING)
