"""Each prior's formula, computed directly in NumPy on small histories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.evaluation.baselines.ease import Ease, EaseConfig
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.baselines.random_walk import RandomWalk, RandomWalkConfig
from polyscene.testing.histories import make_data, make_events
from polyscene.testing.windows import pasts
from tests.priors.small import histories, prior_of

DAY = 86_400


def scores_of(name: str, events: Events, kind: str, **options) -> np.ndarray:
    return prior_of(name, events, kind, **options)(pasts(events)).numpy()


class TestCoOccurrence:
    OPTIONS = {"window": 3, "decay": 0.7, "depth": 4, "smoothing": 0.5, "unit": 0.01}

    @staticmethod
    def expected(events: Events) -> np.ndarray:
        follows_NN, own = np.zeros((events.n_items, events.n_items)), histories(events)
        for rows in own:
            for place, first in enumerate(rows):
                for apart, second in enumerate(rows[place + 1 : place + 4], start=1):
                    follows_NN[first.item, second.item] += 1 / apart
        score_UN = np.zeros((len(own), events.n_items))
        for user, rows in enumerate(own):
            for age, row in enumerate(rows[::-1][:4]):
                followers_N = follows_NN[row.item]
                score_UN[user] += 0.7**age * followers_N / (followers_N.sum() + 0.5)
        return np.log1p(score_UN / 0.01)

    @pytest.mark.parametrize("kind", ["viewers", "baskets"])
    def test_a_mixture_of_chains_of_several_orders(self, kind: str) -> None:
        events = make_events(kind)
        assert_allclose(scores_of("co_occurrence", events, kind, **self.OPTIONS), self.expected(events), rtol=1e-4)

    def test_above_5000_items_lists_of_followers_say_the_same(self) -> None:
        events = make_events("viewers")
        many = prior_of("co_occurrence", replace(events, n_items=5_001), "viewers", followers=29, **self.OPTIONS)
        assert many.weight_NF.shape == (5_001, 29)
        score_UN = many(pasts(events)).numpy()
        assert_allclose(score_UN[:, : events.n_items], self.expected(events), rtol=1e-4, atol=1e-6)
        assert not score_UN[:, events.n_items :].any()

    def test_the_strongest_followers_are_kept(self) -> None:
        events = replace(make_events("viewers"), n_items=5_001)
        options = {"smoothing": 0.0, "depth": 1}
        whole = prior_of("co_occurrence", events, "viewers", followers=29, **options)(pasts(events))
        few = prior_of("co_occurrence", events, "viewers", followers=3, **options)(pasts(events))
        assert (few > 0).sum(dim=1).max() == 3
        kept = few > 0
        assert torch.equal(few[kept], whole[kept])
        least = whole.masked_fill(~kept, torch.inf).amin(dim=1)
        assert (whole.masked_fill(kept, 0).amax(dim=1) <= least).all()


class TestLinear:
    UNIT = 0.01

    @staticmethod
    def expected(events: Events, *, log_weights: bool) -> np.ndarray:
        x_UN = np.zeros((events.n_users, events.n_items))
        for user, rows in enumerate(histories(events)):
            for row in rows:
                x_UN[user, row.item] += row.value if log_weights else 1
        x_UN = np.log1p(x_UN) if log_weights else np.minimum(x_UN, 1)
        inverse_NN = np.linalg.inv(x_UN.T @ x_UN + 5 * np.eye(events.n_items))
        map_NN = -inverse_NN / np.diag(inverse_NN)
        np.fill_diagonal(map_NN, 0)
        return np.log1p(np.maximum(x_UN @ map_NN, 0) / TestLinear.UNIT)

    @pytest.mark.parametrize("log_weights", [False, True])
    @pytest.mark.parametrize("kind", ["listeners", "baskets", "friends"])
    @pytest.mark.parametrize("truncated", [{}, {"limit": 5, "rank": 11}], ids=["exact", "full rank"])
    def test_ease(self, kind: str, log_weights: bool, truncated: dict[str, int]) -> None:
        events = make_events(kind)
        score_UN = scores_of("linear", events, kind, l2=5.0, log_weights=log_weights, **truncated)
        # Where a score is nearly 0, its logarithm above the unit magnifies rounding.
        assert_allclose(score_UN, self.expected(events, log_weights=log_weights), rtol=1e-3, atol=1e-3)

    @pytest.mark.parametrize("days", [0.0, 2.0])
    def test_what_was_long_ago_says_less(self, days: float) -> None:
        events = make_events("baskets")
        x_UN, aged_UN = np.zeros((2, events.n_users, events.n_items))
        for user, rows in enumerate(histories(events)):
            for row in rows:  # oldest first: the last row of an item decides
                x_UN[user, row.item] = 1
                ago = (rows[-1].time - row.time) / 86_400
                aged_UN[user, row.item] = 0.5 ** (ago / days) if days else 1
        inverse_NN = np.linalg.inv(x_UN.T @ x_UN + 5 * np.eye(events.n_items))
        map_NN = -inverse_NN / np.diag(inverse_NN)
        np.fill_diagonal(map_NN, 0)
        expected_UN = np.log1p(np.maximum(aged_UN @ map_NN, 0) / self.UNIT)
        score_UN = scores_of("linear", events, "baskets", l2=5.0, half_life_days=days)
        assert_allclose(score_UN, expected_UN, rtol=1e-3, atol=1e-3)

    def test_with_more_items_than_users_the_map_is_the_same(self) -> None:
        events = make_events("friends")
        wide = replace(events, n_items=20)  # what nobody has changes the form and no score
        by_items, by_users = (prior_of("linear", one, "listeners", l2=5.0) for one in (events, wide))
        assert type(by_items.map) is not type(by_users.map)
        score_UN = by_users(pasts(wide))
        assert_allclose(score_UN[:, :12], by_items(pasts(events)), rtol=1e-3, atol=1e-4)
        assert not score_UN[:, 12:].any()

    def test_a_lower_rank_comes_near(self) -> None:
        events = make_events("friends")
        exact_UN, near_UN = (
            scores_of("linear", events, "friends", l2=5.0, **options) for options in ({}, {"limit": 5, "rank": 8})
        )
        assert not np.allclose(exact_UN, near_UN, atol=0.01)
        assert np.corrcoef(exact_UN.ravel(), near_UN.ravel())[0, 1] > 0.95

    @pytest.mark.parametrize("log_weights", [False, True])
    def test_it_says_what_the_baseline_says(self, log_weights: bool) -> None:
        events, users = make_events("listeners"), np.arange(12)
        baseline = Ease(EaseConfig(l2=5.0, log_weights=log_weights))
        baseline.fit(events, None)
        expected_UN = baseline.scores(users, History.of(events, users, [Phase.TRAIN]))
        score_UN = scores_of("linear", events, "listeners", l2=5.0, log_weights=log_weights, unit=self.UNIT)
        assert_allclose(np.expm1(score_UN) * self.UNIT, np.maximum(expected_UN, 0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("kind", "days"), [("viewers", 10), ("baskets", 3), ("viewers", 56)])
def test_recent_popularity_counts_people(kind: str, days: int) -> None:
    events = make_events(kind)
    own = histories(events)
    last = max(row.time for rows in own for row in rows)
    people_N = np.zeros(events.n_items)
    for rows in own:
        people_N[list({row.item for row in rows if row.time > last - days * DAY})] += 1
    assert people_N.max() > 1
    score_UN = scores_of("recent_popularity", events, kind, days=days)
    assert_allclose(score_UN, np.broadcast_to(np.log1p(people_N), score_UN.shape), rtol=1e-6)


@pytest.mark.parametrize("half_life_days", [0.0, 2.0])
def test_personal_frequency_counts_what_is_taken_again(half_life_days: float) -> None:
    events = make_events("baskets")
    own = histories(events)
    count_UN = np.zeros((len(own), events.n_items))
    for user, rows in enumerate(own):
        for row in rows:
            age = (rows[-1].time - row.time) / DAY
            count_UN[user, row.item] += 0.5 ** (age / half_life_days) if half_life_days else 1
    assert count_UN.max() > 1
    score_UN = scores_of("personal_frequency", events, "baskets", half_life_days=half_life_days, unit=0.2)
    assert_allclose(score_UN, np.log1p(count_UN / 0.2), rtol=1e-5)


class TestRandomWalk:
    OPTIONS = {"restart": 0.3, "steps": 5}

    @staticmethod
    def visits(events: Events) -> np.ndarray:
        linked_NN = np.zeros((events.n_items, events.n_items))
        for user, rows in enumerate(histories(events)):
            for row in rows:
                linked_NN[user, row.item] = linked_NN[row.item, user] = 1
        step_NN = linked_NN / np.maximum(linked_NN.sum(axis=1, keepdims=True), 1)
        at_UN = np.zeros((events.n_users, events.n_items))
        for user, rows in enumerate(histories(events)):
            at_UN[user, [row.item for row in rows]] = 1 / max(1, len(rows))
        return sum(0.7**step * at_UN @ np.linalg.matrix_power(step_NN, step - 1) for step in range(1, 6))

    def test_a_walk_with_restart(self) -> None:
        events = make_events("friends")
        score_UN = scores_of("random_walk", events, "friends", unit=0.01, **self.OPTIONS)
        assert_allclose(score_UN, np.log1p(self.visits(events) / 0.01), rtol=1e-4, atol=1e-6)

    def test_it_says_what_the_baseline_says(self) -> None:
        events, users = make_events("friends"), np.arange(12)
        baseline = RandomWalk(RandomWalkConfig(**self.OPTIONS))
        baseline.fit(events, None)
        expected_UN = baseline.scores(users, History.of(events, users, [Phase.TRAIN]))
        score_UN = scores_of("random_walk", events, "friends", unit=0.01, **self.OPTIONS)
        assert_allclose(np.expm1(score_UN) * 0.01, expected_UN, rtol=1e-4, atol=1e-6)


class TestNeighborSimilarity:
    @staticmethod
    def tag_vectors(events: Events, kind: str) -> np.ndarray:
        tags = [set(text.split("|")) - {""} for text in make_data(events, kind).tables.items["tags"]]
        known = sorted({tag for own in tags for tag in own})
        has_NV = np.array([[tag in own for tag in known] for own in tags], dtype=float)
        vector_NV = has_NV * np.log1p(len(tags) / has_NV.sum(axis=0))
        return vector_NV / np.maximum(np.linalg.norm(vector_NV, axis=1, keepdims=True), 1e-12)

    def test_people_are_like_the_user(self) -> None:
        events = make_events("friends")
        vector_NV = self.tag_vectors(events, "friends")
        score_UN = scores_of("neighbor_similarity", events, "friends")
        assert_allclose(score_UN, vector_NV @ vector_NV.T, atol=1e-6)
        assert not score_UN[-1].any(), "who has no tags is like nobody"

    @pytest.mark.parametrize("kind", ["viewers", "baskets"])
    def test_items_are_like_the_history(self, kind: str) -> None:
        events = make_events(kind)
        vector_NV = self.tag_vectors(events, kind)
        sums_UV = np.stack(
            [vector_NV[sorted({row.item for row in rows})].sum(axis=0) for rows in histories(events)]
        )
        query_UV = sums_UV / np.maximum(np.linalg.norm(sums_UV, axis=1, keepdims=True), 1e-12)
        score_UN = scores_of("neighbor_similarity", events, kind)
        assert_allclose(score_UN, query_UV @ vector_NV.T, atol=1e-6)
        assert not score_UN[:, -1].any(), "what has no tags is like nothing"


class TestSocialNeighbors:
    @pytest.mark.parametrize("kind", ["viewers", "listeners", "friends"])
    def test_a_mean_over_linked_users(self, kind: str) -> None:
        events = make_events(kind)
        weight_UN = np.zeros((events.n_users, events.n_items))
        for user, rows in enumerate(histories(events)):
            for row in rows:
                weight_UN[user, row.item] += row.value
        links = make_data(events, kind).tables.links.astype("int64")
        expected_UN = np.zeros_like(weight_UN)
        for user, friends in links.groupby("user_id")["friend_id"]:
            linked = sorted(set(friends) - {user})
            if linked:
                expected_UN[user] = np.log1p(np.log1p(weight_UN[linked]).mean(axis=0) / 0.5)
        assert links.duplicated().any()
        assert (links["user_id"] == links["friend_id"]).any()
        assert_allclose(scores_of("social_neighbors", events, kind, unit=0.5), expected_UN, rtol=1e-4, atol=1e-6)

    def test_of_many_rows_those_with_the_largest_weights_count(self) -> None:
        events = make_events("viewers")
        (whole_UN, few_UN) = (
            np.expm1(scores_of("social_neighbors", events, "viewers", most_links=1, most_rows=most))
            for most in (512, 2)
        )
        count_U = (few_UN > 0).sum(axis=1)
        assert count_U.max() == 2
        assert (whole_UN > 0).sum(axis=1).max() > 2
        kept = few_UN > 0
        assert_allclose(few_UN[kept], whole_UN[kept], rtol=1e-5)
        least_U = np.where(kept, few_UN, np.inf).min(axis=1)
        assert (np.where(kept, 0, whole_UN).max(axis=1) <= least_U + 1e-6).all()


@pytest.mark.parametrize(("kind", "decay"), [("viewers", 1.0), ("baskets", 0.5), ("listeners", 0.5)])
def test_content_is_like_the_texts_of_the_history(kind: str, decay: float) -> None:
    events = make_events(kind)
    vector_Nh = make_data(events, kind).item_vectors().numpy()
    vector_Nh = vector_Nh - vector_Nh.mean(axis=0)
    vector_Nh /= np.linalg.norm(vector_Nh, axis=1, keepdims=True)
    asked_Uh = np.zeros((events.n_users, vector_Nh.shape[1]))
    for user, rows in enumerate(histories(events)):
        for age, row in enumerate(reversed(rows)):
            asked_Uh[user] += decay ** (age if events.ordered else 0) * vector_Nh[row.item]
    asked_Uh /= np.maximum(np.linalg.norm(asked_Uh, axis=1, keepdims=True), 1e-12)
    assert_allclose(scores_of("content", events, kind, decay=decay), asked_Uh @ vector_Nh.T, atol=1e-5)
