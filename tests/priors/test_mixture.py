"""The mixture's formula, its parts, and the moments at which training rows are asked for."""

from __future__ import annotations

import math
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
VALUES = torch.tensor([[1.0, 0.0, -2.0, 0.3, -0.8], [0.3, -1.0, 2.0, -0.7, 0.4]])


@pytest.fixture
def mixture() -> PriorMixture:
    events = make_events("viewers")
    priors = {name: built(name, events, "viewers", **options) for name, options in PRIORS.items()}
    return PriorMixture(priors, events, ["new", "all"])


def scored(mixture: PriorMixture, view: str = "all") -> tuple[Tensor, Tensor, Tensor]:
    """What the network says (made up), what priors say, and the gates."""
    past = pasts(mixture.events)
    network_QN = torch.randn(len(past.user_B), mixture.events.n_items, generator=torch.Generator().manual_seed(0))
    return network_QN, mixture.prior_scores(past, mixture.events.n_items), mixture.gates(view, past)


def test_gates_begin_as_the_options_say(mixture: PriorMixture) -> None:
    gate_QG = scored(mixture)[2]
    assert mixture.names() == [NETWORK, "co_occurrence", "linear", "popularity", "repetition"]
    torch.testing.assert_close(gate_QG, torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]).expand_as(gate_QG))


def test_the_score_is_a_weighted_sum(mixture: PriorMixture) -> None:
    mixture.set_parameters("all", VALUES)
    network_QN, prior_PQN, gate_QG = scored(mixture)
    for place, (name, options) in enumerate(PRIORS.items()):
        expected_QN = prior_of(name, mixture.events, "viewers", **options)(pasts(mixture.events))
        torch.testing.assert_close(prior_PQN[place], expected_QN)
    parts = zip(gate_QG.split(1, dim=1), [network_QN, *prior_PQN], strict=True)
    expected_QN = sum(gate_Q1 * part_QN for gate_Q1, part_QN in parts)
    torch.testing.assert_close(mixture(network_QN, prior_PQN, gate_QG), expected_QN)


def test_gates_lie_between_those_of_no_history_and_of_a_usual_one(mixture: PriorMixture) -> None:
    mixture.set_parameters("all", VALUES)
    past = pasts(mixture.events)
    usual = int(mixture.usual)
    expected = []
    for length in past.length_B.tolist():
        share = max(0.0, 1 - math.log(1 + length) / math.log(1 + usual))
        short_G, long_G = VALUES
        value_G = share * short_G + (1 - share) * long_G
        expected.append(torch.cat([value_G[:3].exp(), value_G[3:]]))
    assert min(past.length_B) < usual < max(past.length_B)
    torch.testing.assert_close(mixture.gates("all", past), torch.stack(expected))


@pytest.mark.parametrize(("short", "usual"), [(0, 20), (2, 20), (3, 1), (40, 1)])
def test_a_usual_history_is_what_all_but_one_in_twenty_have(short: int, usual: int) -> None:
    count_U = torch.full((40,), 20)
    count_U[:short] = 1
    stop_U = torch.cat([count_U, torch.zeros(5, dtype=torch.int64)]).cumsum(0)  # five are not in training
    start_UP = stop_U.unsqueeze(1).repeat(1, len(Phase) + 1)
    start_UP[:40, Phase.TRAIN] -= count_U
    events = replace(make_events("viewers"), start_UP=start_UP)
    assert float(PriorMixture({}, events, ["all"]).usual) == usual


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
        alone_QG = scored(mixture)[2]
    with mixture.scoring(NO_PRIORS):
        network_QN, prior_PQN, gate_QG = scored(mixture)
        assert torch.equal(mixture(network_QN, prior_PQN, gate_QG), network_QN)
    whole_QG = scored(mixture)[2]
    assert not alone_QG[:, 0].any()
    assert (whole_QG[:, 0] > 0).all()
    assert not torch.isclose(whole_QG[0, 1:], alone_QG[0, 1:]).any()


@pytest.mark.parametrize("part", ["", NO_PRIORS, PRIORS_ONLY])
def test_no_gate_is_negative(part: str, mixture: PriorMixture) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        with mixture.scoring(part):
            mixture.set_parameters("all", 9 * torch.randn(2, 5, generator=generator))
            gate_QG = scored(mixture)[2]
        assert (gate_QG[:, :3] >= 0).all()
        assert gate_QG.isfinite().all()


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
