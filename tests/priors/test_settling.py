"""Settling: gates open for what finds the rows, and close for what does not; a row's own count opens none."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.windows import Windows
from polyscene.evaluation.requests import Requests
from polyscene.model import PolysceneModel
from polyscene.priors.fitting import fit_gates, true_ndcg
from polyscene.priors.heads import Heads
from polyscene.priors.linear import Linear
from polyscene.priors.mixture import PRIORS_ONLY, PriorMixture
from polyscene.retrieval.pairs import Pairs
from polyscene.testing.histories import make_events
from polyscene.training import settling
from polyscene.training.assembly import build_model
from polyscene.training.priors import prior_data
from polyscene.training.settling import settle_gates, shortened
from tests.priors.small import built
from tests.tiny import LIKES, tiny_config, tiny_session

USEFUL, NOISE, OPPOSITE = 2.0, 0.0, -2.0
ROWS, ITEMS = 300, 40
EVENTS = make_events("viewers")


@torch.no_grad()
def usual_gates(mixture: PriorMixture, short: float = 0) -> Tensor:
    """Gates of one history, usual if nothing is said."""
    return mixture.gates_of(mixture.parameters_of("all"), torch.tensor([float(short)]))[0]


class Rows:
    """Rows of which network and priors know something, nothing, or the opposite; every other one is fitted."""

    def __init__(self, network: float, *priors: float) -> None:
        generator = torch.Generator().manual_seed(0)
        self.target_Q = torch.randint(ITEMS, (ROWS,), generator=generator)
        hit_QN = functional.one_hot(self.target_Q, ITEMS).float()
        self.network_QN, *others = (
            torch.randn(ROWS, ITEMS, generator=generator) + knows * hit_QN for knows in (network, *priors)
        )
        self.prior_PQN = torch.stack([*others, *torch.zeros(2, ROWS, ITEMS)])
        events = make_events("viewers")
        names = ("co_occurrence", "linear")[: len(priors)]
        self.mixture = PriorMixture({name: built(name, events, "viewers") for name in names}, events, ["all"])
        fitted = torch.arange(0, ROWS, 2)
        target_QN, nothing_QN = hit_QN[fitted].bool(), torch.zeros(len(fitted), ITEMS, dtype=torch.bool)
        short_Q = torch.zeros(len(fitted))
        asked = Heads.of(self.network_QN[fitted], self.prior_PQN[:, fitted], nothing_QN, target_QN, short_Q)
        fit_gates(self.mixture, "all", [asked])

    @torch.no_grad()
    def gates(self, part: str = "") -> Tensor:
        """The gates of the network and of priors, and the weights of occurrence, of a usual history."""
        with self.mixture.scoring(part):
            return usual_gates(self.mixture)

    def ndcg(self, part: str = "") -> float:
        """NDCG@10 of the rows that were not fitted."""
        gate_QG = self.gates(part).expand(ROWS, -1)
        return self.ndcg_of(self.mixture(self.network_QN, self.prior_PQN, gate_QG))

    def ndcg_of(self, score_QN: Tensor) -> float:
        """NDCG@10 of some scores of the rows that were not fitted."""
        above_Q = (score_QN >= score_QN.gather(1, self.target_Q.unsqueeze(1))).sum(dim=1) - 1
        return float(torch.where(above_Q < 10, 1 / torch.log2(2.0 + above_Q), 0.0)[1::2].mean())


rows_of = functools.cache(Rows)


def test_a_network_that_is_noise_is_nearly_shut_out() -> None:
    rows = rows_of(NOISE, USEFUL, USEFUL)
    gate_G = rows.gates()
    assert gate_G[0] < 0.2 * gate_G[1:3].min()
    assert rows.ndcg() > rows.ndcg(PRIORS_ONLY) - 0.01
    assert rows.ndcg() > rows.ndcg_of(rows.network_QN) + 0.2


@pytest.mark.parametrize("useless", [NOISE, OPPOSITE])
def test_a_useless_prior_does_no_harm(useless: float) -> None:
    rows = rows_of(USEFUL, useless)
    gate_G = rows.gates()
    assert 0 <= gate_G[1] < 0.2 * gate_G[0]
    assert rows.ndcg() > rows.ndcg_of(rows.network_QN) - 0.01


def test_two_that_know_something_are_better_than_one() -> None:
    rows = rows_of(USEFUL, NOISE, USEFUL)
    gate_G = rows.gates()
    assert gate_G[1] < 0.3 * gate_G[[0, 2]].min()
    assert rows.ndcg() > max(rows.ndcg(PRIORS_ONLY), rows.ndcg_of(rows.network_QN)) + 0.03


def test_what_says_the_same_of_all_items_finds_none() -> None:
    rows = rows_of(USEFUL, NOISE)
    silent_QN, out_QN = torch.zeros(ROWS, ITEMS), torch.zeros(ROWS, ITEMS, dtype=torch.bool)
    target_QN = functional.one_hot(rows.target_Q, ITEMS).bool()
    asked = Heads.of(silent_QN, torch.stack([silent_QN] * 3), out_QN, target_QN, torch.zeros(ROWS))
    assert true_ndcg(rows.mixture, rows.mixture.parameters_of("all"), [asked]) < 0.1


def test_what_everybody_knows_already_is_taken_back() -> None:
    """Network and prior both hold the same error of each item, and one term knows it."""
    generator = torch.Generator().manual_seed(0)
    target_Q = torch.randint(ITEMS, (ROWS,), generator=generator)
    hit_QN = functional.one_hot(target_Q, ITEMS).float()
    error_N = 3 * torch.randn(ITEMS, generator=generator)
    network_QN, prior_QN = (torch.randn(2, ROWS, ITEMS, generator=generator) + USEFUL * hit_QN + error_N).unbind()
    terms = error_N.expand(ROWS, -1), torch.zeros(ROWS, ITEMS)
    nothing_QN = torch.zeros(ROWS, ITEMS, dtype=torch.bool)
    asked = Heads.of(network_QN, torch.stack([prior_QN, *terms]), nothing_QN, hit_QN.bool(), torch.zeros(ROWS))
    events = make_events("viewers")
    mixture = PriorMixture({"linear": built("linear", events, "viewers")}, events, ["all"])
    before = true_ndcg(mixture, mixture.parameters_of("all"), [asked])
    fit_gates(mixture, "all", [asked])
    found_G = usual_gates(mixture)
    assert found_G[2] == pytest.approx(-float(found_G[:2].sum()), rel=0.2)
    assert true_ndcg(mixture, mixture.parameters_of("all"), [asked]) > before + 0.2


def made_up(network: float, prior: float, short: float, seed: int) -> Heads:
    """Rows of which network and prior know so much."""
    generator = torch.Generator().manual_seed(seed)
    hit_QN = functional.one_hot(torch.randint(ITEMS, (ROWS,), generator=generator), ITEMS).float()
    network_QN, prior_QN = (
        torch.randn(ROWS, ITEMS, generator=generator) + knows * hit_QN for knows in (network, prior)
    )
    nothing_QN = torch.zeros(ROWS, ITEMS)
    prior_PQN = torch.stack([prior_QN, nothing_QN, nothing_QN])
    return Heads.of(network_QN, prior_PQN, nothing_QN.bool(), hit_QN.bool(), torch.full((ROWS,), short))


def test_newcomers_have_gates_of_their_own() -> None:
    """The network knows long histories, the prior short ones; what is found for one does not change the other."""
    usual, short = made_up(USEFUL, NOISE, 0.0, seed=0), made_up(NOISE, USEFUL, 0.9, seed=1)
    found = {}
    for given in ((), (short,)):
        mixture = PriorMixture({"linear": built("linear", EVENTS, "viewers")}, EVENTS, ["all"])
        fit_gates(mixture, "all", [usual], given)
        found[len(given)] = (
            mixture,
            [true_ndcg(mixture, mixture.parameters_of("all"), [one]) for one in (usual, short)],
        )
    (tied, (usual_tied, short_tied)), (apart, (usual_apart, short_apart)) = found[0], found[1]
    assert torch.equal(usual_gates(tied), usual_gates(tied, 0.9))
    assert torch.equal(usual_gates(tied), usual_gates(apart))
    assert usual_apart == usual_tied
    assert short_apart > short_tied + 0.2
    with apart.scoring(PRIORS_ONLY):
        assert usual_gates(apart)[0] == usual_gates(apart, 0.9)[0] == 0


@pytest.mark.parametrize("ordered", [True, False])
def test_histories_are_shortened_in_turn(ordered: bool) -> None:
    start_B, kept = torch.arange(0, 400, 20), Pairs(torch.tensor([0]), torch.tensor([1]))
    asked = Requests(torch.arange(20), start_B, start_B + torch.tensor([20, 3] * 10), kept, kept)
    short = shortened(asked, torch.tensor([0, 1, 4]), ordered=ordered)
    expected = [min(length, own) for length, own in zip([0, 1, 4] * 7, [20, 3] * 10, strict=False)]
    assert (short.stop_B - short.start_B).tolist() == expected
    assert (short.start_B >= asked.start_B).all()
    assert (short.stop_B <= asked.stop_B).all()
    assert torch.equal(short.stop_B, asked.stop_B) == ordered
    assert (short.targets, short.masked) == (kept, kept)
    if not ordered:  # from anywhere: neither all from the beginning nor all from the end
        place_B = ((short.start_B - asked.start_B) / (asked.stop_B - asked.start_B))[::6]
        assert place_B.min() < 0.35
        assert place_B.max() > 0.65


def test_validation_rows_are_asked_with_whole_and_with_short_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    session = tiny_session(tiny_config("", [LIKES], likes={"priors": ["linear"]}))
    loaded = session.load()
    model: PolysceneModel = build_model(session, loaded)[0].eval()
    fitted: list[tuple[list[Heads], list[Heads]]] = []
    monkeypatch.setattr(settling, "fit_gates", lambda _mixture, _view, *given: fitted.append(given))
    settle_gates(model, {LIKES: session.subject(LIKES, loaded.scenarios[LIKES])}, {LIKES: 5})
    [(whole, short)] = fitted
    (whole_Q, short_Q) = (torch.cat([part.short_Q for part in parts]) for parts in (whole, short))
    assert len(whole_Q) == len(short_Q) > 4
    assert (whole_Q < 0.5).all()
    assert (short_Q > whole_Q).float().mean() > 0.6
    assert short_Q.max() == 1, "some are asked without any history"


class Leaking(Linear):
    """Knows the row that it is asked for."""

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        return super().forward(past)


class TestWithoutValidationRows:
    """Training rows stand in, as they were before they were counted."""

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls) -> dict[type, tuple[Tensor, float]]:
        """For each kind of prior the gates, and the NDCG that they have on the rows that they were fitted to."""
        return {kind: cls.settled(kind) for kind in (Linear, Leaking)}

    @staticmethod
    def settled(kind: type[Linear]) -> tuple[Tensor, float]:
        # Hardly regularized, it remembers rows: what it says of others is worth less than what it says of its own.
        split = {"name": "random_per_user", "validation": 0, "test": 0.2}
        priors = [{"name": "linear", "l2": 0.01}]
        session = tiny_session(tiny_config("", [LIKES], likes={"split": split, "priors": priors}))
        loaded = session.load()
        torch.manual_seed(0)
        model: PolysceneModel = build_model(session, loaded)[0].eval()
        subject = session.subject(LIKES, loaded.scenarios[LIKES])
        options = model.mixture(LIKES).priors["linear"].config
        prior = kind(options, prior_data(session, LIKES, loaded.scenarios[LIKES]))
        mixture = model.priors[LIKES] = PriorMixture({"linear": prior}, subject.events, ["all"])
        fitted: list[Heads] = []
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(settling, "fit_gates", lambda *given: (fitted.extend(given[2]), fit_gates(*given)))
            settle_gates(model, {LIKES: subject}, {LIKES: 5})
        return usual_gates(mixture), true_ndcg(mixture, mixture.parameters_of("all"), fitted)

    def test_gates_are_fitted_to_training_rows(self, found: dict[type, tuple[Tensor, float]]) -> None:
        assert not torch.allclose(found[Linear][0][:2], torch.ones(2), atol=0.05)

    def test_a_prior_that_knows_the_rows_would_find_them(self, found: dict[type, tuple[Tensor, float]]) -> None:
        assert found[Leaking][1] > found[Linear][1] + 0.3
