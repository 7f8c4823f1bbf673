"""What unknown items borrow from known ones, in a shop whose kinds of goods have texts of their own or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import take_windows
from polyscene.priors.mixture import PriorMixture
from polyscene.testing.histories import make_data, make_events
from polyscene.testing.windows import pasts, some
from tests.priors.small import built

KINDS, OF_A_KIND, UNKNOWN, LENDERS = 20, 10, 2, 3
ITEMS = KINDS * OF_A_KIND
NAMES = ("linear", "content", "recent_popularity")


def shop(users: int = 60) -> Events:
    """Customers who each buy goods of two kinds; of ten goods of a kind nobody has had the last two."""
    generator = np.random.default_rng(3)
    known = np.arange(ITEMS).reshape(KINDS, OF_A_KIND)[:, :-UNKNOWN]
    kinds = [[user % KINDS, (3 * user + 1) % KINDS] for user in range(users)]
    items = [generator.permutation(known[own].ravel())[:12] for own in kinds]
    stop_U = np.cumsum([len(own) for own in items])
    start_UP = np.repeat(stop_U[:, None], len(Phase) + 1, axis=1)
    start_UP[:, Phase.TRAIN] -= 12
    return replace(
        make_events("viewers"),
        item_R=torch.from_numpy(np.concatenate(items)).int(),
        value_R=torch.ones(12 * users),
        time_R=1_000_000 + torch.arange(12).repeat(users) * 86_400,
        start_UP=torch.from_numpy(start_UP),
        n_items=ITEMS,
        cold_N=torch.zeros(ITEMS, dtype=torch.bool),
        cold_U=torch.zeros(users, dtype=torch.bool),
    )


def vectors(*, tell: bool = True, items: int = ITEMS) -> Tensor:
    """Text vectors in which goods of a kind are alike; or of which nothing can be told."""
    generator = torch.Generator().manual_seed(5)
    noise_Nh = torch.randn(items, 8, generator=generator)
    kind_Nh = torch.randn(KINDS, 8, generator=generator)[torch.arange(items) % ITEMS // OF_A_KIND]
    return 2 * kind_Nh + noise_Nh if tell else noise_Nh


def mixture_of(events: Events, vector_Nh: Tensor | None, lenders: int = LENDERS) -> PriorMixture:
    priors = {name: built(name, events, "viewers") for name in NAMES}
    return PriorMixture(priors, events, ["all"], lenders=lenders, item_vectors=lambda: vector_Nh)


def unknown() -> Tensor:
    return (torch.arange(ITEMS) % OF_A_KIND >= OF_A_KIND - UNKNOWN).nonzero().flatten()


def test_an_unknown_item_gets_the_weighted_scores_of_its_nearest_known_ones() -> None:
    events, vector_Nh = shop(), vectors()
    past = pasts(events)
    own_PQN = mixture_of(events, None).prior_scores(past, ITEMS)
    mixture = mixture_of(events, vector_Nh)
    lent_PQN = mixture.prior_scores(past, ITEMS)
    assert mixture.borrowing is not None
    factor_P = mixture.borrowing.factor_P
    known = [item for item in range(ITEMS) if item not in set(unknown().tolist())]
    assert torch.equal(lent_PQN[:, :, known], own_PQN[:, :, known])
    near_Nh = functional.normalize(vector_Nh - vector_Nh[known].mean(0))
    for item in unknown().tolist():
        cosine = {other: float(near_Nh[item] @ near_Nh[other]) for other in known}
        lenders = sorted(known, key=cosine.__getitem__)[-LENDERS:]
        weight_k = torch.tensor([cosine[other] for other in lenders]).div(0.2).softmax(0)
        expected_PQ = (own_PQN[:, :, lenders] * weight_k).sum(2) * factor_P.unsqueeze(1)
        expected_PQ[1] = own_PQN[1, :, item]  # content reads texts itself
        torch.testing.assert_close(lent_PQN[:, :, item], expected_PQ)


def test_the_factor_is_that_of_the_best_linear_prediction() -> None:
    events = shop()
    borrowing = mixture_of(events, vectors()).borrowing
    assert borrowing is not None
    # Alike within kinds, but for one prior that is noise.
    generator = torch.Generator().manual_seed(1)
    score_PQN = torch.randn(5, 9, KINDS, generator=generator).repeat_interleave(OF_A_KIND, dim=2)
    score_PQN += torch.tensor([0.5, 1.0, 2.0, 0.1, 1.0]).view(5, 1, 1) * torch.randn(
        5, 9, ITEMS, generator=generator
    )
    score_PQN[4] = torch.randn(9, ITEMS, generator=generator)
    users_N = torch.ones(ITEMS).index_fill(0, unknown(), 0.0)
    borrowing.observe(users_N, score_PQN.clone)
    known = (users_N > 0).nonzero().flatten()
    item_Mk, weight_Mk = borrowing._nearest(borrowing._centered(vectors(), known), known)
    assert not (item_Mk == known.unsqueeze(1)).any()  # nobody lends to itself
    for place in range(5):
        own_QM = score_PQN[place][:, known].numpy()
        lent_QM = (score_PQN[place][:, item_Mk] * weight_Mk).sum(2).numpy()
        own_QM, lent_QM = (part - part.mean(1, keepdims=True) for part in (own_QM, lent_QM))
        slope = np.polyfit(lent_QM.ravel(), own_QM.ravel(), 1)[0]
        assert float(borrowing.factor_P[place]) == pytest.approx(max(0.0, slope), abs=1e-4)
    assert (borrowing.factor_P[:4] > 0.3).all()
    assert borrowing.factor_P[4] < 0.2


@pytest.mark.parametrize(("tells", "lends"), [(0.25, False), (1.0, True)])
def test_texts_must_explain_a_twentieth_of_some_prior(tells: float, lends: bool) -> None:
    borrowing = mixture_of(shop(), vectors()).borrowing
    assert borrowing is not None
    generator = torch.Generator().manual_seed(2)
    kind_PQN = torch.randn(5, 99, KINDS, generator=generator).repeat_interleave(OF_A_KIND, dim=2)
    score_PQN = tells * kind_PQN + torch.randn(5, 99, ITEMS, generator=generator)
    score_PQN[3:] = kind_PQN[3:]  # the terms do not count
    borrowing.observe(torch.ones(ITEMS).index_fill(0, unknown(), 0.0), score_PQN.clone)
    assert (borrowing.factor_P[[0, 2]] > 0).all()
    assert (borrowing.weight_BN is not None) == lends
    # What comes later is not measured again.
    borrowing.receive(torch.ones(ITEMS).index_fill(0, unknown(), 0.0), lambda: pytest.fail("measured"))
    assert (borrowing.weight_BN is not None) == lends


def test_texts_that_tell_bring_new_goods_of_a_kind_to_its_customers_and_others_do_not() -> None:
    events = shop()
    past = pasts(events)
    kind_N = torch.arange(ITEMS) // OF_A_KIND
    fits_QN = torch.stack([torch.isin(kind_N, kind_N[row[:12]]) for row in past.item_BT])[:, unknown()]
    share, factor = {}, {}
    for tell in (True, False):
        mixture = mixture_of(events, vectors(tell=tell))
        score_QU = mixture.prior_scores(past, ITEMS)[0][:, unknown()]
        share[tell] = fits_QN.gather(1, score_QU.topk(4).indices).float().mean()
        assert mixture.borrowing is not None
        factor[tell] = float(mixture.borrowing.factor_P[0])
        assert bool(score_QU.any()) == tell  # where texts tell nothing, nothing is borrowed
    assert share[True] > 0.9  # four of forty unknown items fit each customer
    assert factor[True] > 0.8
    assert factor[False] < 0.3


def test_what_one_user_gets_does_not_depend_on_the_others() -> None:
    events = shop()
    mixture, past = mixture_of(events, vectors()), pasts(events)
    whole_PQN = mixture.prior_scores(past, ITEMS)
    torch.testing.assert_close(mixture.prior_scores(some(past, [7, 3]), ITEMS), whole_PQN[:, [7, 3]])


def test_an_item_that_came_later_borrows_as_well() -> None:
    events = shop()
    mixture, past = mixture_of(events, vectors()), pasts(events)
    before_PQN = mixture.prior_scores(past, ITEMS)
    larger = replace(events, n_items=ITEMS + 1, cold_N=torch.zeros(ITEMS + 1, dtype=torch.bool))
    twin_Nh = torch.cat([vectors(), vectors()[unknown()[:1]]])  # the same text as an unknown item's
    mixture.receive(replace(make_data(larger, "viewers"), item_vectors=lambda: twin_Nh))
    after_PQN = mixture.prior_scores(past, ITEMS + 1)
    blind = [0, 2, 3, 4]
    torch.testing.assert_close(after_PQN[blind][:, :, :-1], before_PQN[blind])
    assert before_PQN[0, :, unknown()[0]].any()
    torch.testing.assert_close(after_PQN[blind][:, :, -1], before_PQN[blind][:, :, unknown()[0]])
    assert torch.equal(mixture.prior_scores(past, ITEMS - 1), after_PQN[:, :, : ITEMS - 1])


def test_an_item_that_gets_another_text_asks_others() -> None:
    events = shop()
    past = pasts(events)
    for changed in (unknown()[:2], torch.tensor([0])):  # of an unknown item, and of a known one
        mixture, text_Nh = mixture_of(events, vectors()), vectors()
        before_PQN = mixture.prior_scores(past, ITEMS)
        text_Nh[changed] = vectors()[[50, 90]][: len(changed)]
        mixture.receive(replace(make_data(events, "viewers"), item_vectors=lambda text_Nh=text_Nh: text_Nh))
        after_PQN = mixture.prior_scores(past, ITEMS)
        assert not torch.equal(after_PQN[0], before_PQN[0])
        expected_PQN = mixture_of(events, text_Nh).prior_scores(past, ITEMS)
        torch.testing.assert_close(after_PQN[0], expected_PQN[0])


def test_what_a_user_has_had_is_not_borrowed() -> None:
    """Personal frequency reads histories, in which there may be rows that nobody counted."""
    events, item = shop(), int(unknown()[0])
    priors = {"personal_frequency": built("personal_frequency", events, "viewers")}
    mixture = PriorMixture(priors, events, ["all"], lenders=LENDERS, item_vectors=vectors)
    past = pasts(events)
    item_BT = past.item_BT.clone()
    item_BT[0, 3] = item
    own_PQN = mixture._own_scores(replace(past, item_BT=item_BT), ITEMS)
    lent_PQN = mixture.prior_scores(replace(past, item_BT=item_BT), ITEMS)
    assert own_PQN[0, 0, item] > 0
    assert lent_PQN[0, 0, item] == own_PQN[0, 0, item]
    assert lent_PQN[0, 1:, item].any()


def test_more_rows_make_items_known() -> None:
    events = shop()
    mixture, past = mixture_of(events, vectors()), pasts(events)
    assert mixture.prior_scores(past, ITEMS)[0, :, unknown()].any()
    item_R = events.item_R.clone()
    item_R[: len(unknown())] = unknown().int()
    mixture.observe(replace(events, item_R=item_R), [Phase.TRAIN])
    alone = mixture_of(replace(events, item_R=item_R), None)
    assert torch.equal(mixture.prior_scores(past, ITEMS), alone.prior_scores(past, ITEMS))


@pytest.mark.parametrize("case", ["no lenders", "no texts", "hardly an item is known", "few labels"])
def test_nothing_is_borrowed(case: str) -> None:
    events = shop(3 if case == "hardly an item is known" else 60)
    if case == "few labels":
        events = replace(events, labelled_R=torch.ones(len(events.item_R), dtype=torch.bool))
    texts = None if case == "no texts" else vectors()
    mixture = mixture_of(events, texts, 0 if case == "no lenders" else LENDERS)
    score_PQN = mixture.prior_scores(pasts(events), ITEMS)
    assert not score_PQN[0, :, unknown()].any()


def test_gates_are_settled_on_rows_that_leave_themselves_out() -> None:
    """A row's own count does not come back to its item through those that borrow from it."""
    events = shop()
    mixture = mixture_of(events, vectors())
    start_U, stop_U = events.start_UP[:, Phase.TRAIN], events.start_UP[:, Phase.TRAIN + 1]
    user_Q = torch.arange(6)
    past = take_windows(events, user_Q, start_U[:6], stop_U[:6] - 1, 32)
    hidden = take_windows(events, user_Q, stop_U[:6] - 1, stop_U[:6], 1)
    labelled_R = torch.ones(len(events.item_R), dtype=torch.bool)
    for query in range(6):
        labelled_R.fill_(value=True)
        labelled_R[int(stop_U[query]) - 1] = False
        counted = mixture_of(replace(events, labelled_R=labelled_R.clone()), vectors())
        assert counted.borrowing is not None
        assert mixture.borrowing is not None
        counted._count()
        counted.borrowing.observe(counted.occurrence.users_N, counted._sampled)
        left_U = mixture.prior_scores(past, ITEMS, hidden)[0, query, unknown()]
        # Only how much to believe of what is borrowed is measured on all rows.
        again_U = counted.prior_scores(some(past, [query]), ITEMS)[0, 0, unknown()]
        ratio = mixture.borrowing.factor_P[0] / counted.borrowing.factor_P[0]
        torch.testing.assert_close(left_U, again_U * ratio, rtol=1e-4, atol=1e-5)
