"""Baselines against naive dense formulas on small random data, and what they refuse."""

import networkx as nx
import numpy as np
import pytest
import torch

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError, DataError
from polyscene.evaluation.baselines import COMPONENTS, Baseline, History
from polyscene.registry.components import Registry

DAY = 86_400
KNOWN = (Phase.TRAIN, Phase.KNOWN, Phase.VALIDATION)
REGISTRY = Registry(COMPONENTS)


def build(name: str, **options: object) -> Baseline:
    component = REGISTRY.get("baseline", name)
    return component.build(component.config(**options) if component.config else None)


def events_of(rows: list[tuple[int, int, int, float, int]], users: int, items: int) -> Events:
    """Rows are (user, item, phase, value, time)."""
    rows = sorted(rows, key=lambda row: (row[0], row[2], row[4]))
    user, item, phase, value, time = (np.array(column) for column in zip(*rows, strict=True))
    count = np.zeros((users, len(Phase)), dtype=np.int64)
    np.add.at(count, (user, phase), 1)
    start = np.zeros((users, len(Phase) + 1), dtype=np.int64)
    start[:, 1:] = count.cumsum(axis=1)
    start += (count.sum(axis=1).cumsum() - count.sum(axis=1))[:, None]
    return Events(
        item_R=torch.from_numpy(item.astype(np.int32)),
        value_R=torch.from_numpy(value.astype(np.float32)),
        time_R=torch.from_numpy(time.astype(np.int64)),
        start_UP=torch.from_numpy(start),
        n_items=items,
        cold_N=torch.zeros(items, dtype=torch.bool),
        cold_U=torch.zeros(users, dtype=torch.bool),
    )


def random_events(users: int = 15, items: int = 9, seed: int = 0) -> Events:
    """Some repeated rows, some validation and test rows, items without rows."""
    generator = np.random.default_rng(seed)
    return events_of(
        [
            (user, int(item), int(generator.choice([0, 0, 0, 2, 3])), float(generator.integers(1, 9)), int(time))
            for user in range(users)
            for item, time in zip(
                generator.integers(0, items - 1, 6), generator.integers(0, 300 * DAY, 6), strict=True
            )
        ],
        users,
        items,
    )


def dense(events: Events, phases: tuple[Phase, ...], weights: bool = False) -> np.ndarray:
    """The user-item matrix, row by row."""
    matrix = np.zeros((events.n_users, events.n_items))
    for user in range(events.n_users):
        for phase in phases:
            for row in range(int(events.start_UP[user, phase]), int(events.start_UP[user, phase + 1])):
                item = int(events.item_R[row])
                matrix[user, item] = matrix[user, item] + float(events.value_R[row]) if weights else 1
    return matrix


def scores(baseline: Baseline, events: Events, embeddings: np.ndarray | None = None) -> np.ndarray:
    baseline.fit(events, embeddings)
    users = np.arange(events.n_users)
    found = baseline.scores(users, History.of(events, users, KNOWN))
    some = np.array([4, 1])
    part = baseline.scores(some, History.of(events, some, KNOWN))
    np.testing.assert_allclose(part, found[some], atol=1e-5)  # nobody's scores depend on the batch
    assert found.shape == (events.n_users, events.n_items)
    assert found.dtype == np.float32
    return found


def test_popularity_counts_training_rows_only() -> None:
    events = random_events()
    x = dense(events, (Phase.TRAIN,))
    np.testing.assert_allclose(scores(build("popularity"), events)[0], x.sum(axis=0))
    rows = events.item_R[torch.from_numpy(events.rows([Phase.TRAIN])[1])]
    counted = np.bincount(rows, minlength=events.n_items)
    assert not np.array_equal(counted, x.sum(axis=0))
    np.testing.assert_allclose(scores(build("popularity", distinct_users=False), events)[0], counted)


def test_statistics_come_from_the_phases_that_are_named() -> None:
    events = random_events()
    baseline = build("popularity")
    baseline.fit(events, None, phases=KNOWN)
    history = History.of(events, np.array([0]), KNOWN)
    np.testing.assert_allclose(baseline.scores(np.array([0]), history)[0], dense(events, KNOWN).sum(axis=0))


def test_recent_popularity_counts_users_in_the_window() -> None:
    rows = [
        (0, 0, 0, 1, 0),
        (0, 1, 0, 1, 95 * DAY),
        (1, 1, 0, 1, 96 * DAY),
        (1, 1, 0, 1, 97 * DAY),
        (2, 2, 0, 1, 100 * DAY),
    ]
    rows += [(2, 0, 3, 1, 101 * DAY), (3, 0, 0, 1, 0), (4, 0, 0, 1, 0)]
    events = events_of(rows, 5, 3)
    assert scores(build("recent_popularity", days=10), events)[0].tolist() == [0, 2, 1]
    assert scores(build("recent_popularity", days=10, distinct_users=False), events)[0].tolist() == [0, 3, 1]
    timeless = events_of([(0, 0, 0, 1, 0), (1, 1, 0, 1, 0)], 2, 2)
    with pytest.raises(DataError, match="no times"):
        build("recent_popularity").fit(timeless, None)


@pytest.mark.parametrize("log_weights", [False, True])
@pytest.mark.parametrize(("neighbors", "shrinkage"), [(3, 0.0), (100, 0.0), (3, 5.0)])
def test_item_knn_is_the_naive_formula(neighbors: int, shrinkage: float, log_weights: bool) -> None:
    events = random_events()
    x, seen = (np.log1p(dense(events, phases, weights=True)) for phases in ((Phase.TRAIN,), KNOWN))
    if not log_weights:
        x, seen = (x > 0).astype(float), (seen > 0).astype(float)
    norm = np.linalg.norm(x, axis=0)
    similarity = (x.T @ x) / np.maximum(np.outer(norm, norm) + shrinkage, 1e-12)
    np.fill_diagonal(similarity, 0)
    kept = np.zeros_like(similarity)
    for item, row in enumerate(similarity):
        best = np.argsort(-row, kind="stable")[:neighbors]
        kept[item, best] = row[best]
    found = build("item_knn", neighbors=neighbors, shrinkage=shrinkage, log_weights=log_weights)
    got = scores(found, events)
    # Where the last neighbor ties with one that is left out, either may be kept.
    cut = -np.sort(-similarity, axis=1)
    tied = cut[:, min(neighbors, 9) - 1] == cut[:, min(neighbors, 8)]
    sure = ~(seen[:, tied & (cut[:, min(neighbors, 8)] > 0)] > 0).any(axis=1)
    assert sure.sum() >= 3
    np.testing.assert_allclose(got[sure], (seen @ kept)[sure], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("form", ["item", "user"])
@pytest.mark.parametrize("log_weights", [False, True])
def test_ease_is_the_closed_form_in_both_forms(form: str, log_weights: bool) -> None:
    events = random_events(seed=3)
    x, seen = (np.log1p(dense(events, phases, weights=True)) for phases in ((Phase.TRAIN,), KNOWN))
    if not log_weights:
        x, seen = (x > 0).astype(float), (seen > 0).astype(float)
    inverse = np.linalg.inv(x.T @ x + 2.5 * np.eye(events.n_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    found = scores(build("ease", l2=2.5, form=form, log_weights=log_weights), events)
    np.testing.assert_allclose(found, seen @ weights, rtol=1e-4, atol=1e-5)


def test_ease_takes_the_smaller_form_and_refuses_what_is_too_large() -> None:
    events = random_events(users=15, items=9)
    for limit, fits in ((9, True), (8, False)):
        if fits:
            scores(build("ease", limit=limit), events)
        else:
            with pytest.raises(DataError, match=r"15 users and 9 items.*inverts 9 rows.*(?s:.)*item_knn"):
                build("ease", limit=limit).fit(events, None)
    huge = events_of([(0, 0, 0, 1, 0), (10_000, 10_000, 0, 1, 0)], 10_001, 10_001)
    with pytest.raises(DataError, match="10,000"):
        build("ease").fit(huge, None)
    with pytest.raises(ConfigError, match="auto, item or user"):
        build("ease", form="items")
    with pytest.raises(ConfigError, match="positive"):
        build("ease", l2=0.0)


def test_content_is_the_cosine_with_the_mean_of_the_history() -> None:
    events = random_events()
    vectors = np.random.default_rng(1).normal(size=(events.n_items, 5)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = dense(events, KNOWN) @ unit
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(scores(build("content"), events, 3 * vectors), mean @ unit.T, rtol=1e-4, atol=1e-5)
    with pytest.raises(DataError, match="no text"):
        build("content").fit(events, None)


def test_content_of_an_empty_history_says_nothing() -> None:
    events = events_of([(0, 0, 0, 1, 0), (1, 1, 3, 1, 0)], 2, 2)
    baseline = build("content")
    baseline.fit(events, np.eye(2, dtype=np.float32))
    assert baseline.scores(np.array([1]), History.of(events, np.array([1]), KNOWN)).tolist() == [[0, 0]]


def test_personal_frequency_halves_with_age_and_falls_back_on_popularity() -> None:
    rows = [
        (0, 0, 0, 1, 0),
        (0, 0, 0, 1, 0),
        (0, 0, 0, 1, 0),
        (0, 1, 0, 1, 20 * DAY),
        (1, 2, 0, 1, 0),
        (1, 3, 2, 1, 0),
        (2, 2, 0, 1, 0),
    ]
    events = events_of([*rows, (3, 3, 0, 1, 0), (4, 4, 0, 1, 0)], 5, 5)
    counted = scores(build("personal_frequency"), events)
    assert np.round(counted[0], 3).tolist() == [3, 1, 0, 0, 0]
    assert counted[0, 2] > counted[0, 3] == counted[0, 4] > 0
    assert np.round(scores(build("personal_frequency", half_life_days=10), events)[0], 3).tolist() == [
        0.75,
        1,
        0,
        0,
        0,
    ]


def friends(seed: int = 0, people: int = 12) -> tuple[Events, nx.Graph]:
    graph = nx.gnp_random_graph(people, 0.3, seed=seed)
    graph.add_nodes_from(range(people))
    rows = [(a, b, 0, 1.0, 0) for u, v in graph.edges for a, b in ((u, v), (v, u))]
    return events_of(rows, people, people), graph


def test_links_are_scored_as_networkx_does() -> None:
    events, graph = friends()
    found = {name: scores(build(name), events) for name in ("degree", "common_neighbors", "adamic_adar")}
    others = [(u, v) for u in graph for v in graph if u != v]
    for u, v in others:
        assert found["degree"][u, v] == graph.degree[v]
        assert found["common_neighbors"][u, v] == len(list(nx.common_neighbors(graph, u, v)))
    for u, v, expected in nx.adamic_adar_index(graph, others):
        assert found["adamic_adar"][u, v] == pytest.approx(expected, rel=1e-5)


def test_random_walk_is_personalized_pagerank() -> None:
    events, graph = friends(seed=1)
    assert nx.is_connected(graph)
    found = scores(build("random_walk", restart=0.3, steps=60), events)
    for user in graph:
        rank = nx.pagerank(graph, alpha=0.7, personalization={user: 1}, tol=1e-12, max_iter=500)
        for other in set(graph) - {user}:
            assert 0.3 * found[user, other] == pytest.approx(rank[other], abs=1e-5)


@pytest.mark.parametrize("name", ["degree", "common_neighbors", "adamic_adar", "random_walk"])
def test_link_baselines_want_people(name: str) -> None:
    with pytest.raises(DataError, match="not the same people"):
        build(name).fit(random_events(), None)


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.name)
def test_test_rows_never_reach_a_baseline(component: object) -> None:
    """Scores stay bit-equal when test rows are replaced by others."""
    name = component.name
    people = name in ("degree", "common_neighbors", "adamic_adar", "random_walk")
    base = [(u, i, 0, 1.0, 10 * DAY * i) for u in range(6) for i in range(6) if u != i and (u * i + i) % 3 != 1]
    found = []
    for hidden in ([(0, 1, 3, 9.0, 10_000 * DAY)], [(5, 2, 3, 1.0, 1), (2, 3, 4, 1.0, 10_000 * DAY)]):
        events = events_of(base + hidden, 6, 6)
        found.append(scores(build(name), events, None if people else np.eye(6, dtype=np.float32)))
    assert np.array_equal(*found)
