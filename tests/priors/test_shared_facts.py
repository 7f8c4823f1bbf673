"""Shared facts: the walk that the docstring tells, counted one by one; what few labels tell, and what not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from polyscene.config.schema import DataConfig, EvaluateConfig
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.evaluation.evaluator import network_and_past
from polyscene.evaluation.requests import VALIDATION
from polyscene.evaluation.run import evaluate
from polyscene.priors import Prior, shared_facts
from polyscene.priors.fitting import true_ndcg
from polyscene.priors.mixture import PRIORS_ONLY
from polyscene.priors.moments import facts_asked
from polyscene.report import read_metrics
from polyscene.testing.histories import FACTS as KIND
from polyscene.testing.histories import make_events
from polyscene.testing.windows import asked_facts
from polyscene.training.assembly import build_model
from polyscene.training.restore import restore
from polyscene.training.run import train
from polyscene.training.settling import _of_rows
from tests.priors.small import prior_of
from tests.tiny import FACTS, tiny_config, tiny_host, tiny_session

BACKOFF, UNIT = 0.05, 0.01
Fact = tuple[int, int, int]


def known_facts(events: Events, *, context: bool = False) -> list[Fact]:
    """Training facts as (head, relation, tail)."""
    user, row = events.rows([Phase.TRAIN], context=context)
    relation, tail = events.columns["relation"][row].tolist(), events.item_R[row].tolist()
    return list(zip(user.tolist(), relation, tail, strict=True))


def walked(head: int, relation: int, known: list[Fact], answers: list[Fact], n_items: int) -> torch.Tensor:
    """Scores of all tails, walk by walk."""
    own = [fact for fact in known if fact[0] == head]
    had, facts_of = Counter((fact[1], fact[2]) for fact in known), Counter(fact[0] for fact in known)
    chance_N = torch.zeros(n_items, dtype=torch.float64)
    for _, *shared in own:
        for other, *same in known:
            if other == head or same != shared:
                continue
            for answering, asked, tail in answers:
                if answering == other and asked == relation:
                    chance_N[tail] += 1 / len(own) / had[shared[0], shared[1]] / facts_of[other]
    anywhere = [tail for _, asked, tail in answers if asked == relation]
    for tail in anywhere:
        chance_N[tail] += BACKOFF / len(anywhere)
    return (chance_N / chance_N.sum().clamp(min=1e-30) / UNIT).log1p()


def built(events: Events) -> Prior:
    return prior_of("shared_facts", events, KIND, backoff=BACKOFF, unit=UNIT)


@pytest.mark.parametrize("labelled", [None, 3])
def test_it_is_the_walk_that_it_says(labelled: int | None) -> None:
    events = make_events(KIND)
    if labelled:
        every_R = torch.arange(len(events.item_R)) % labelled == 0
        events = replace(events, labelled_R=every_R)
    asked = asked_facts(events)
    score_QN = built(events)(asked)
    found = 0
    for place, head in enumerate(asked.user_B.tolist()):
        if not asked.valid_BT[place, 0]:
            assert not score_QN[place].any(), "nothing is asked for, and something is said"
            continue
        relation = int(asked.columns["relation"][place, 0])
        known, answers = known_facts(events, context=True), known_facts(events)
        expected_N = walked(head, relation, known, answers, events.n_items)
        torch.testing.assert_close(score_QN[place].double(), expected_N, rtol=1e-4, atol=1e-5)
        found += int(expected_N.unique().numel() > 2)
    assert found > 5, "hardly any walk arrives: the graph shows nothing"


def test_the_tail_that_is_asked_for_is_read_nowhere() -> None:
    events = make_events(KIND)
    user, row = (torch.from_numpy(array) for array in events.rows([Phase.TRAIN]))
    asked = facts_asked(events, user, row)
    assert (asked.past.item_BT == events.n_items).all()
    assert torch.equal(asked.item_Q, events.item_R[row].long())


@pytest.mark.parametrize("cells", [1, 300])
def test_a_large_graph_is_asked_a_few_at_a_time(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = make_events(KIND)
    prior = built(events)
    user, row = (torch.from_numpy(array) for array in events.rows([Phase.TRAIN]))
    asked = facts_asked(events, user, row)
    at_once = prior(asked.past), prior(asked.past, asked.hidden)
    monkeypatch.setattr(shared_facts, "_CELLS", cells)
    torch.testing.assert_close((prior(asked.past), prior(asked.past, asked.hidden)), at_once)


def test_without_facts_nothing_is_said() -> None:
    events = make_events(KIND)
    none = replace(events, labelled_R=torch.zeros(len(events.item_R), dtype=torch.bool))
    assert not built(none)(asked_facts(none)).any()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("facts") / "run"
    config = tiny_config(
        folder,
        [FACTS],
        "trainer.steps=4",
        "trainer.eval_every=2",
        "controls=[no_priors,priors_only]",
        facts={"priors": ["shared_facts"]},
    )
    return train(config, tiny_host())


def test_a_run_of_facts_reports_both_parts_and_gives_the_same_again(run: Path) -> None:
    again = evaluate(EvaluateConfig(str(run), device="cpu"), tiny_host())
    first, second = (
        {(row["method"], row["metric"]): row["value"] for row in read_metrics(folder)["results"]}
        for folder in (run, again)
    )
    assert {method for method, _ in first} >= {"joint", "no_priors", "priors_only"}
    assert first["joint", "mrr"] != first["no_priors", "mrr"] != first["priors_only", "mrr"]
    assert {key: second[key] for key in first if key in second} == {key: first[key] for key in second}


def test_of_requests_it_gets_no_tail_and_all_are_as_long_as_any(run: Path) -> None:
    one = restore(str(run), tiny_host(), root="", data=DataConfig(), device="cpu")
    model, loaded = one.model("joint"), one.loaded.scenarios[FACTS]
    subject, mixture = one.session.subject(FACTS, loaded), model.mixture(FACTS)
    assert mixture is not None
    assert mixture.of_facts
    assert mixture.borrowing is None
    requests = next(iter(subject.requests(VALIDATION, subject.scenario.views[0])))
    _, past = network_and_past(model, subject, 1)(requests, subject.scenario.views[0])
    assert past.item_BT.shape[1] == 1
    assert (past.item_BT == subject.events.n_items).all()
    assert not mixture.shortness(past).any()


class Leaking(nn.Module):
    """The prior, asked about rows of training as if it had not counted them."""

    def __init__(self, prior: nn.Module) -> None:
        super().__init__()
        self.prior, self.observe = prior, prior.observe

    def forward(self, past: Windows, hidden: Windows | None = None) -> Tensor:
        return self.prior(past)


def test_rows_of_training_are_not_given_away() -> None:
    """Tails at random: nothing tells them, so only who knows the row itself can find them."""
    session = tiny_session(tiny_config("", [FACTS], facts={"priors": ["shared_facts"]}))
    loaded = session.load()
    model, subject = build_model(session, loaded)[0].eval(), session.subject(FACTS, loaded.scenarios[FACTS])
    tail_R, generator = subject.events.item_R, torch.Generator().manual_seed(0)
    mixed = replace(subject.events, item_R=tail_R[torch.randperm(len(tail_R), generator=generator)])
    subject, mixture = replace(subject, events=mixed), model.mixture(FACTS)
    assert mixture is not None
    mixture.observe(mixed, [Phase.TRAIN])
    found = []
    for prior in (mixture.priors["shared_facts"], Leaking(mixture.priors["shared_facts"])):
        mixture.priors["shared_facts"] = prior
        heads = _of_rows(model, mixture, subject, 1, subject.scenario.views[0], rows=mixed.rows([Phase.TRAIN]))
        with mixture.scoring(PRIORS_ONLY):
            found.append(true_ndcg(mixture, mixture.parameters_of("all"), heads))
    assert found[0] < 0.7 * found[1], found
