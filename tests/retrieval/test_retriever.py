"""The retriever: lists of every task equal the top of a full ranking, in one call for all, and nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import ConfigError
from polyscene.evaluation.evaluator import model_scorer
from polyscene.evaluation.ranking import rank_targets
from polyscene.evaluation.requests import POPULATIONS, Requests
from polyscene.model import PolysceneModel
from polyscene.retrieval import Best, Query, RetrievalConfig, Retriever, Served
from polyscene.retrieval.approximate import Approximate
from polyscene.retrieval.exact import Exact
from polyscene.routing import Route
from polyscene.tasks.click import ClickTask
from polyscene.tasks.popularity import item_share
from polyscene.tasks.ranking import RankingTask
from polyscene.training.assembly import build_model
from polyscene.training.loading import LoadedScenario
from tests.tiny import ADS, ALL, FACTS, LIKES, PEOPLE, SHOP, tiny_config, tiny_session

K = 10
# Every way of scoring items: products and triples; with priors, by a network on pairs, by vectors of a task's own.
PLAIN: dict[str, dict[str, Any]] = {}
RICH: dict[str, dict[str, Any]] = {
    SHOP: {"priors": ["co_occurrence", {"name": "linear", "l2": 20.0}]},
    FACTS: {"tasks": [{"name": "triple", "options": {"own_width": 8}}]},
    ADS: {
        "tasks": [{"name": "click", "options": {"head": "mlp", "hidden": 8, "history": "sample"}}],
        "columns": {"users": {"id": "id"}},
    },
}


class World:
    """A model whose weights are far from their start, served."""

    def __init__(self, options: Mapping[str, dict[str, Any]]) -> None:
        session = tiny_session(tiny_config("", ALL, "adapter=epnet", "router=recognition", **options))
        self.loaded: Mapping[str, LoadedScenario] = session.load().scenarios
        self.model: PolysceneModel = build_model(session, session.load())[0].eval()
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
            assert self.model.router is not None
            self.model.router.seen_K.fill_(1)
        self.subjects = {name: session.subject(name, one) for name, one in self.loaded.items()}
        self.served = {
            name: Served(
                subject.events,
                self.loaded[name].config.max_history if subject.from_history else 1,
                subject.scenario.views[0],
                subject.own_item_U,
            )
            for name, subject in self.subjects.items()
        }
        self.retriever = Retriever(self.model, self.served)

    def requests(self, name: str) -> Requests:
        """Test requests of a scenario, which know less than everything."""
        return next(self.subjects[name].requests(POPULATIONS[0], self.served[name].view))

    def query(self, name: str, requests: Requests, candidates_N: Tensor | None = None) -> Query:
        """The same requests as the retriever is asked."""
        events, view = self.served[name].events, self.served[name].view.name
        mixture = self.model.mixture(name)
        past = None if mixture is None else requests.windows(events, mixture.longest)
        windows = requests.windows(events, self.served[name].max_history)
        return Query(requests.user_B, windows, view, past, requests.masked, candidates_N)

    def by_ranking(self, name: str, requests: Requests, candidates_N: Tensor | None, route: Route) -> Best:
        """The top of a full ranking by the evaluator's scorer."""
        served = self.served[name]
        score_BN = model_scorer(self.model, self.subjects[name], served.max_history, route)(requests, served.view)
        ranking = rank_targets(
            score_BN,
            requests.targets,
            masked=requests.masked,
            candidates_N=candidates_N,
            user_B=requests.user_B,
            top=K,
        )
        score_BK = score_BN.gather(1, ranking.top_BK.clamp(min=0)).masked_fill(ranking.top_BK < 0, -torch.inf)
        return Best(ranking.top_BK, score_BK)


@pytest.fixture(scope="module", params=[PLAIN, RICH], ids=["plain", "rich"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def same(found: Best, expected: Best) -> None:
    """Equal scores place by place, and equal items wherever rounding cannot swap two."""
    torch.testing.assert_close(found.score_BK, expected.score_BK, rtol=1e-4, atol=1e-5)
    gap_BK = (expected.score_BK[:, :-1] - expected.score_BK[:, 1:]).nan_to_num(1.0)
    alone_BK = torch.ones_like(expected.item_BK, dtype=torch.bool)
    alone_BK[:, :-1] &= gap_BK > 1e-4
    alone_BK[:, 1:] &= gap_BK > 1e-4
    assert float(alone_BK.float().mean()) > 0.5
    assert torch.equal(found.item_BK[alone_BK], expected.item_BK[alone_BK])


@pytest.mark.parametrize("route", ["label", "soft", "hard"])
@torch.inference_mode()
def test_lists_of_all_scenarios_at_once_are_those_of_full_rankings(world: World, route: Route) -> None:
    asked = {name: world.requests(name) for name in ALL}
    found = world.retriever.find({name: world.query(name, asked[name]) for name in ALL}, K, route)
    for name in ALL:
        same(found[name], world.by_ranking(name, asked[name], None, route))


@torch.inference_mode()
def test_only_candidates_are_found(world: World) -> None:
    for name in ALL:
        candidates_N = torch.arange(world.model.n_items[name]) % 6 == 1
        requests = world.requests(name)
        found = world.retriever.find({name: world.query(name, requests, candidates_N)}, K)[name]
        same(found, world.by_ranking(name, requests, candidates_N, "label"))
        assert candidates_N[found.item_BK[found.item_BK >= 0]].all()


@torch.inference_mode()
def test_requests_of_all_scenarios_are_one_pass_that_each_gets_alone_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = {name: world.retriever.query(name, torch.tensor([3, 0, 3])) for name in ALL if name != FACTS}
    alone = {name: world.retriever.find({name: query}, K)[name] for name, query in queries.items()}
    calls = {"sequence": 0, "bank": 0}
    last, bank = world.model.sequence.last, world.model.user_bank.forward

    def counted(key: str, function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[key] += 1
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(world.model.sequence, "last", counted("sequence", last))
    monkeypatch.setattr(world.model.user_bank, "forward", counted("bank", bank))
    together = world.retriever.find(queries, K)
    assert calls == {"sequence": 1, "bank": 1}
    for name, best in together.items():
        same(best, alone[name])
        assert torch.equal(best.item_BK[0], best.item_BK[2]), "a user's list does not depend on its place"


@torch.inference_mode()
def test_portions_of_requests_change_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for route in ("label", "soft"):
        queries = {name: world.query(name, world.requests(name)) for name in ALL}
        whole = world.retriever.find(queries, K, route)
        monkeypatch.setattr("polyscene.retrieval.retriever._SCORES", 700)
        for name, best in world.retriever.find(queries, K, route).items():
            same(best, whole[name])
        monkeypatch.undo()


def test_known_users_ask_from_their_last_rows_and_everything_is_counted(world: World) -> None:
    events, length = world.served[LIKES].events, world.served[LIKES].max_history
    windows = world.retriever.query(LIKES, torch.tensor([0, 1])).windows
    for row, user in enumerate((0, 1)):
        start, stop = events.start_UP[user, [0, -1]].tolist()
        assert stop - start > length
        assert windows.item_BT[row].tolist() == events.item_R[stop - length : stop].tolist()
    task = world.model.main_task(LIKES)
    assert isinstance(task, RankingTask)
    torch.testing.assert_close(task.popularity.share_N, item_share(events, Phase))


@torch.inference_mode()
def test_scores_of_clicks_are_the_log_odds_of_pairs(world: World) -> None:
    query, task = world.retriever.query(ADS, torch.tensor([2])), world.model.main_task(ADS)
    assert isinstance(task, ClickTask)
    found, catalogue = world.retriever.find({ADS: query}, K)[ADS], world.retriever.catalogues[ADS]
    h_Bd = world.model.user_states(ADS, query.windows, catalogue).expand(K, -1)
    item_K = found.item_BK[0]
    logit_K = world.model.pair_logits(ADS, task, h_Bd, catalogue.take(item_K), item_K)
    torch.testing.assert_close(found.score_BK[0], logit_K, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_users_get_nothing_that_they_had_and_nobody_gets_themselves(world: World) -> None:
    for name in (SHOP, PEOPLE, LIKES):
        events, own_item_U = world.served[name].events, world.served[name].own_item_U
        assert (own_item_U is not None) == (name == PEOPLE)
        user_B = torch.arange(20)
        found = world.retriever.find({name: world.retriever.query(name, user_B)}, K)[name]
        for user, items in zip(user_B.tolist(), found.item_BK.tolist(), strict=True):
            had = events.item_R[events.start_UP[user, 0] : events.start_UP[user, -1]].tolist()
            own = [] if own_item_U is None else [int(own_item_U[user])]
            assert not set(items) & {*had, *own}


def test_requests_leave_the_model_as_it_was(world: World) -> None:
    def state() -> dict[str, Tensor]:
        modules = world.model.named_modules()
        buffers = {f"{name}.{key}": value for name, one in modules for key, value in one.named_buffers("", False)}
        return {key: value.clone() for key, value in (world.model.state_dict() | buffers).items()}

    queries = {name: world.query(name, world.requests(name)) for name in ALL}
    before, first = state(), world.retriever.find(queries, K)
    again = world.retriever.find(queries, K)
    for name in ALL:
        assert torch.equal(first[name].item_BK, again[name].item_BK)
        assert torch.equal(first[name].score_BK, again[name].score_BK)
    after = state()
    assert [key for key in before if not torch.equal(before[key], after[key])] == []
    assert all(not catalogue._taken for catalogue in world.retriever.catalogues.values())


def test_shares_add_up_and_only_products_have_an_index(world: World) -> None:
    query = world.retriever.query(SHOP, torch.tensor([1, 2]))
    best = world.retriever.find({SHOP: query}, K)[SHOP]
    shares = world.retriever.shares(SHOP, query, best)
    assert set(world.retriever.indexes) == ({PEOPLE, LIKES} if shares else {SHOP, PEOPLE, LIKES, ADS})
    if shares:
        assert {"network", "co_occurrence", "linear"} <= set(shares)
        torch.testing.assert_close(torch.stack(list(shares.values())).sum(0), best.score_BK, rtol=1e-4, atol=1e-4)


def test_a_large_catalogue_is_searched_through_lists(world: World) -> None:
    retriever = Retriever(
        world.model, {LIKES: world.served[LIKES]}, RetrievalConfig(approximate_above=50, probes=10_000)
    )
    assert isinstance(retriever.indexes[LIKES], Approximate)
    assert isinstance(world.retriever.indexes[LIKES], Exact)
    query = retriever.query(LIKES, torch.arange(12))
    same(retriever.find({LIKES: query}, K)[LIKES], world.retriever.find({LIKES: query}, K)[LIKES])


@torch.inference_mode()
def test_a_history_that_no_row_holds_is_served(world: World) -> None:
    """A server may know more than the data: any windows make a query."""
    events = world.served[LIKES].events
    item_BT = torch.tensor([[5, 9, 2], [9, 0, 0]])
    valid_BT = torch.tensor([[True, True, True], [True, False, False]])
    windows = Windows(
        user_B=torch.tensor([0, 1]),
        row_BT=torch.zeros_like(item_BT),
        valid_BT=valid_BT,
        item_BT=item_BT,
        value_BT=torch.ones(2, 3),
        time_BT=torch.zeros_like(item_BT),
        columns={},
        ordered=events.ordered,
    )
    found = world.retriever.find({LIKES: Query(windows.user_B, windows, "all")}, K)[LIKES]
    assert found.item_BK.shape == (2, K)
    assert not torch.equal(found.score_BK[0], found.score_BK[1])


def test_a_scenario_that_is_not_served_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match="'shopp' is not served"):
        world.retriever.query("shopp", torch.tensor([0]))
