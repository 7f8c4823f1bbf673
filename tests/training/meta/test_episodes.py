"""Episodes: query rows come later than support rows, tasks are drawn from training rows alone."""

from __future__ import annotations

import pytest
import torch

from polyscene.data.phases import Phase
from polyscene.errors import ConfigError
from polyscene.training.meta.episodes import Episodes, ScenarioEpisodes, UserEpisodes
from tests.tiny import ALL, LIKES, PEOPLE, SHOP, tiny_model

GENERATOR = torch.Generator()


@pytest.fixture(scope="module")
def events():  # type: ignore[no-untyped-def]
    return {name: one.events for name, one in tiny_model(ALL)[1].scenarios.items()}


def drawn(events, name: str, unit: str, seed: int = 0) -> Episodes:  # type: ignore[no-untyped-def]
    sampler = (
        UserEpisodes(events[name], 3, 2, 8, name, sequence=True)
        if unit == "user"
        else ScenarioEpisodes(events[name], 3, 2, 8, name)
    )
    return sampler.draw(40, GENERATOR.manual_seed(seed))


@pytest.mark.parametrize("unit", ["user", "scenario"])
@pytest.mark.parametrize("name", [SHOP, LIKES, PEOPLE])
def test_tasks_hold_distinct_training_rows_and_query_rows_come_later(events, name: str, unit: str) -> None:  # type: ignore[no-untyped-def]
    one = drawn(events, name, unit)
    train = set(events[name].rows([Phase.TRAIN])[1].tolist())
    rows_E = one.windows.row_BT.view(one.count, -1)
    support_E, query_E = one.support_BT.view(one.count, -1), one.query_BT.view(one.count, -1)
    time_E = one.windows.time_BT.view(one.count, -1)
    assert not (one.support_BT & one.query_BT).any()
    for rows, support, query, time in zip(rows_E, support_E, query_E, time_E, strict=True):
        chosen = rows[support | query].tolist()
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= train
        assert support.sum() == 3
        if events[name].ordered:
            assert (time[query] > time[support].max()).all()
        else:
            assert query.sum() == 2
    assert one.query_BT.any()


@pytest.mark.parametrize("unit", ["user", "scenario"])
def test_the_same_numbers_draw_the_same_tasks(events, unit: str) -> None:  # type: ignore[no-untyped-def]
    one, same, other = (drawn(events, SHOP, unit, seed).windows.row_BT for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_users_are_tasks_of_their_own(events) -> None:  # type: ignore[no-untyped-def]
    one = drawn(events, SHOP, "user")
    owner = torch.from_numpy(events[SHOP].rows([Phase.TRAIN])[0])
    row = torch.from_numpy(events[SHOP].rows([Phase.TRAIN])[1])
    user_of = torch.full((int(row.max()) + 1,), -1).index_copy(0, row, owner)
    assert torch.equal(user_of[one.windows.row_BT], one.windows.user_B.unsqueeze(1).expand(-1, 5))


def test_too_few_rows_are_named(events) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match=r"fewer than support \+ query = 500 \+ 100") as caught:
        UserEpisodes(events[SHOP], 500, 100, 1000, SHOP, sequence=True)
    assert "strategy.support" in str(caught.value)
    with pytest.raises(ConfigError, match=r"labelled rows, fewer than"):
        ScenarioEpisodes(events[SHOP], 100_000, 1, 8, SHOP)
    with pytest.raises(ConfigError, match="do not fit into a history of 4"):
        UserEpisodes(events[SHOP], 3, 2, 4, SHOP, sequence=True)
