"""A prior that the data cannot support says which, why, and what would do; so does a config that names none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError, DataError
from polyscene.registry.host import load_host
from polyscene.testing.histories import make_data, make_events
from polyscene.testing.windows import pasts
from tests.priors.small import HOST, built
from tests.tiny import ADS, FACTS, SHOP, tiny_config


def at_once(events: Events) -> Events:
    return replace(events, time_R=torch.full_like(events.time_R, 1_000_000))


def as_it_is(events: Events) -> Events:
    return events


def test_one_labelled_row_among_rows_with_times_is_enough() -> None:
    events = make_events("viewers")
    row = int(events.rows([Phase.TRAIN])[1][3])
    few = replace(events, labelled_R=torch.arange(len(events.item_R)) == row)
    prior = built("recent_popularity", few, "viewers")
    prior.observe(few, [Phase.TRAIN])
    assert prior.count_N.nonzero().flatten().tolist() == [int(events.item_R[row])]


@pytest.mark.parametrize(
    ("name", "kind", "change", "options", "says"),
    [
        (
            "recent_popularity",
            "listeners",
            as_it_is,
            {},
            "prior 'recent_popularity' needs times, and all rows have the same: leave it out",
        ),
        ("recent_popularity", "viewers", at_once, {}, "needs times"),
        (
            "personal_frequency",
            "listeners",
            as_it_is,
            {},
            "has a half-life, and the rows have no times: write half_life_days: 0",
        ),
        ("random_walk", "viewers", as_it_is, {}, "follows links among people, and items here are not the users"),
        (
            "random_walk",
            "friends",
            as_it_is,
            {"limit": 11},
            "the links of 12 people as a dense matrix, and its limit is 11: choose 'linear'",
        ),
        (
            "linear",
            "viewers",
            as_it_is,
            {"limit": 11, "rank": 0},
            "would invert a matrix of 12 rows, more than 11: give it a rank",
        ),
        (
            "neighbor_similarity",
            "viewers",
            as_it_is,
            {"column": "tag"},
            "reads the column 'tag' of items, which is not there: did you mean 'tags'",
        ),
        (
            "linear",
            "listeners",
            as_it_is,
            {"half_life_days": 5.0},
            "has a half-life, and the rows have no times: write half_life_days: 0",
        ),
        (
            "co_occurrence",
            "listeners",
            as_it_is,
            {},
            "counts what comes after what, and the rows have no order: choose 'linear'",
        ),
    ],
)
def test_data_that_cannot_support_it(
    name: str, kind: str, change: Callable[[Events], Events], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(DataError) as caught:
        built(name, change(make_events(kind)), kind, **options)
    assert caught.value.where == f"scenario.{kind}"
    assert says in f"{caught.value.what}: {caught.value.fix}"
    assert caught.value.fix


def test_neighbors_without_links() -> None:
    data = make_data(make_events("viewers"), "viewers")
    data = replace(data, tables=replace(data.tables, links=None))
    component = HOST.component("prior", "social_neighbors")
    with pytest.raises(DataError, match=r"(?s)and there are none.*leave it out, or give the tables links"):
        component.build(component.config(), data=data)
    silent = component.build(component.config(optional=True), data=data)
    silent.observe(data.events, [Phase.TRAIN])
    assert not silent(pasts(data.events)).any()


def test_content_without_texts() -> None:
    data = replace(make_data(make_events("viewers"), "viewers"), item_vectors=lambda: None)
    component = HOST.component("prior", "content")
    with pytest.raises(DataError, match=r"(?s)the items have none.*leave it out, or declare a text column"):
        component.build(component.config(), data=data)


@pytest.mark.parametrize(
    ("scenario", "priors", "says"),
    [
        (SHOP, ["colinear"], ["there is no prior called 'colinear': did you mean 'linear'?"]),
        (
            SHOP,
            [{"name": "linear", "l3": 5}],
            ["no option", "'linear'.l3': Known: first_gate, half_life_days, l2"],
        ),
        (SHOP, [{"name": "linear", "l2": -1}], ["prior 'linear'.l2' is -1"]),
        (SHOP, ["linear", {"name": "linear", "l2": 5}], ["prior 'linear' is named 2 times: name each once"]),
        (SHOP, 3, ["'scenario.shop.priors' is 3 (int); a list"]),
        (SHOP, [3], ["'priors[0]' names no prior: write a list of names"]),
        (SHOP, ["linear", {"l2": 5}], ["'priors[1]' names no prior"]),
        (
            FACTS,
            ["linear"],
            [
                "prior 'linear' counts what users have, and the task 'triple' completes facts",
                "choose 'shared_facts'",
            ],
        ),
        (
            SHOP,
            ["shared_facts"],
            ["prior 'shared_facts' counts facts, and the task 'ranking' ranks for users: choose 'linear'"],
        ),
        (ADS, ["linear"], ["priors beside the task 'click', which has no use for them: leave them out"]),
    ],
)
def test_a_config_that_names_no_prior(scenario: str, priors: Any, says: list[str]) -> None:
    with pytest.raises(ConfigError, match="config: 1 problem\n") as caught:
        tiny_config("", [scenario], **{scenario: {"priors": priors}})
    assert [part for part in says if part not in str(caught.value)] == []


def test_declared_priors_rest_where_the_task_is_another_one() -> None:
    config = resolve_train(
        compose("train", ["scenario=video", "scenario.video.tasks=[{name: click}]"], load_host()), load_host()
    )
    assert config.scenario["video"].priors is None


def test_an_empty_list_counts_nothing() -> None:
    assert tiny_config("", [FACTS], facts={"priors": []}).scenario[FACTS].priors == []
