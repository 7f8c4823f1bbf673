"""The mixture's formula, its parts, and the moments at which training rows are asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from polyscene.data.phases import Phase
from polyscene.priors.counting import counted, per_item
from polyscene.priors.mixture import NETWORK, NO_PRIORS, PRIORS_ONLY, PriorMixture
from polyscene.priors.moments import Moments, latest, moments
from polyscene.testing.histories import make_events, without_rows
from polyscene.testing.windows import pasts
from tests.priors.small import built, prior_of

PRIORS = {"co_occurrence": {}, "linear": {"l2": 5.0, "first_gate": 0.5}}
VALUES = torch.tensor([0.3, -1.0, 2.0, -0.7, 0.4])


@pytest.fixture
def mixture() -> PriorMixture:
    events = make_events("viewers")
    priors = {name: built(name, events, "viewers", **options) for name, options in PRIORS.items()}
    return PriorMixture(priors, events, ["new", "all"])


def scored(mixture: PriorMixture, view: str = "all") -> tuple[Tensor, Tensor, Tensor]:
    """What the network says (made up), what priors say, and the gates."""
    past = pasts(mixture.events)
    network_QN = torch.randn(len(past.user_B), mixture.events.n_items, generator=torch.Generator().manual_seed(0))
    return network_QN, mixture.prior_scores(past, mixture.events.n_items), mixture.gates(view)


def test_gates_begin_as_the_options_say(mixture: PriorMixture) -> None:
    gate_G = scored(mixture)[2]
    assert mixture.names() == [NETWORK, "co_occurrence", "linear", "popularity", "repetition"]
    torch.testing.assert_close(gate_G, torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]))


def test_the_score_is_a_weighted_sum(mixture: PriorMixture) -> None:
    mixture.set_parameters("all", VALUES)
    network_QN, prior_PQN, gate_G = scored(mixture)
    torch.testing.assert_close(gate_G, torch.cat([VALUES[:3].exp(), VALUES[3:]]))
    for place, (name, options) in enumerate(PRIORS.items()):
        expected_QN = prior_of(name, mixture.events, "viewers", **options)(pasts(mixture.events))
        torch.testing.assert_close(prior_PQN[place], expected_QN)
    expected_QN = sum(gate * part for gate, part in zip(gate_G, [network_QN, *prior_PQN], strict=True))
    torch.testing.assert_close(mixture(network_QN, prior_PQN, gate_G), expected_QN)


def test_shares_add_up_to_the_score(mixture: PriorMixture) -> None:
    mixture.set_parameters("all", VALUES)
    inputs = scored(mixture)
    shares = mixture.shares(*inputs)
    assert list(shares) == mixture.names()
    torch.testing.assert_close(sum(shares.values()), mixture(*inputs))


def test_each_view_has_gates_of_its_own(mixture: PriorMixture) -> None:
    before = scored(mixture, "new")[2]
    mixture.set_parameters("all", VALUES)
    assert torch.equal(scored(mixture, "new")[2], before)
    assert not torch.allclose(scored(mixture, "all")[2], before)


def test_a_part_alone(mixture: PriorMixture) -> None:
    mixture.set_parameters("all", VALUES)
    with mixture.scoring(PRIORS_ONLY):
        mixture.set_parameters("all", -VALUES)
        alone_G = scored(mixture)[2]
    with mixture.scoring(NO_PRIORS):
        network_QN, prior_PQN, gate_G = scored(mixture)
        assert torch.equal(mixture(network_QN, prior_PQN, gate_G), network_QN)
    whole_G = scored(mixture)[2]
    assert alone_G[0] == 0 < whole_G[0]
    assert not torch.isclose(whole_G[1:], alone_G[1:]).any()


@pytest.mark.parametrize("part", ["", NO_PRIORS, PRIORS_ONLY])
def test_no_gate_is_negative(part: str, mixture: PriorMixture) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        with mixture.scoring(part):
            mixture.set_parameters("all", 9 * torch.randn(5, generator=generator))
            gate_G = scored(mixture)[2]
        assert (gate_G[:3] >= 0).all()
        assert gate_G.isfinite().all()


def test_items_that_came_later_get_nothing_from_counts(mixture: PriorMixture) -> None:
    past = pasts(mixture.events)
    prior_PQN = mixture.prior_scores(past, 32)
    assert prior_PQN.shape[2] == 32
    assert not prior_PQN[:, :, 30:].any()
    assert torch.equal(mixture.prior_scores(past, 28), prior_PQN[:, :, :28])


def test_weights_are_summed_by_item_where_there_are_rows() -> None:
    past = pasts(make_events("baskets"))
    sums_QN = per_item(past, torch.ones_like(past.value_BT), 20)
    expected_QN = torch.zeros_like(sums_QN)
    for user, items in enumerate(past.item_BT.tolist()):
        for item in items[: int(past.length_B[user])]:
            if item < 20:  # the others came after the count
                expected_QN[user, item] += 1
    assert torch.equal(sums_QN, expected_QN)


class TestMoments:
    @staticmethod
    def of(kind: str) -> tuple[Moments, list[int], list[int], list[int]]:
        """Every fifth training row, and where the training rows of its user begin and end."""
        events = make_events(kind)
        user_R, row_R = (torch.from_numpy(array)[::5] for array in events.rows([Phase.TRAIN]))
        begin, end = (events.start_UP[user_R, phase].tolist() for phase in (Phase.TRAIN, Phase.TRAIN + 1))
        return moments(events, user_R, row_R, 32), row_R.tolist(), begin, end

    @staticmethod
    def rows(windows) -> list[list[int]]:
        return [row[valid].tolist() for row, valid in zip(windows.row_BT, windows.valid_BT, strict=True)]

    def test_in_order_the_row_and_all_after_it_are_unknown(self) -> None:
        asked, row, begin, end = self.of("viewers")
        assert self.rows(asked.past) == [list(range(b, r)) for b, r in zip(begin, row, strict=True)]
        assert self.rows(asked.hidden) == [list(range(r, e)) for r, e in zip(row, end, strict=True)]

    def test_what_was_bought_at_once_is_unknown_as_well(self) -> None:
        asked, row, begin, end = self.of("baskets")
        first = [b + (r - b) // 3 * 3 for b, r in zip(begin, row, strict=True)]
        assert self.rows(asked.past) == [list(range(b, f)) for b, f in zip(begin, first, strict=True)]
        assert self.rows(asked.hidden) == [list(range(f, e)) for f, e in zip(first, end, strict=True)]

    def test_without_order_only_the_row_itself_is_unknown(self) -> None:
        asked, row, begin, end = self.of("listeners")
        others = [[*range(b, r), *range(r + 1, e)] for b, r, e in zip(begin, row, end, strict=True)]
        assert self.rows(asked.past) == others
        assert self.rows(asked.hidden) == [[r] for r in row]

    def test_the_network_reads_the_latest_rows(self) -> None:
        asked, row, begin, _ = self.of("viewers")
        short = [list(range(max(b, r - 4), r)) for b, r in zip(begin, row, strict=True)]
        assert self.rows(latest(asked.past, 4)) == short

    def test_context_is_in_the_past_and_not_in_the_counts(self) -> None:
        events = make_events("viewers")
        context = torch.arange(0, 20, 2)
        past = pasts(without_rows(events, context))
        assert self.rows(replace(past, valid_BT=counted(past)))[0] == list(range(1, 20, 2))
        assert self.rows(past)[0] == list(range(20))
