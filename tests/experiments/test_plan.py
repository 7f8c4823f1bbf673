"""Plans: what a deployment's file says about policies and experiments, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polyscene.errors import ConfigError
from polyscene.experiments.plan import NONE, Plan, Side, check_scenarios, read_plan
from polyscene.registry.host import Host
from polyscene.testing.runs import host_of


@pytest.fixture(scope="module")
def host() -> Host:
    return host_of()


GIVEN = {
    "policies": {"books": {"name": "epsilon", "options": {"epsilon": 0.3}}, "songs": {"name": "linucb"}},
    "experiments": {
        "ranker": {
            "scenarios": ["books"],
            "arms": {
                "control": {},
                "bold": {"weight": 3, "policy": {"name": "thompson"}},
                "next": {"version": "v2"},
            },
        }
    },
}


def written(folder: Path, given: object, host: Host | None = None) -> Plan:
    (folder / "config.json").write_text(json.dumps(given), encoding="utf-8")
    return read_plan(folder, host)


def test_who_chooses_for_whom(tmp_path: Path, host: Host) -> None:
    plan = written(tmp_path, GIVEN, host)
    check_scenarios(plan, ["books", "songs"], "here")
    control, bold, other = (Side("ranker", arm) for arm in ("control", "bold", "next"))
    assert plan.sides("books") == [NONE, control, bold, other]
    assert plan.sides("songs") == [NONE]
    assert [plan.policy("books", side).name for side in plan.sides("books")] == [
        "epsilon",
        "epsilon",
        "thompson",
        "epsilon",
    ]
    assert plan.policy("books", control).options == {"epsilon": 0.3}
    assert (plan.policy("songs", NONE).name, plan.policy("elsewhere", NONE).name) == ("linucb", "greedy")
    assert [plan.version(side) for side in plan.sides("books")] == ["", "", "", "v2"]
    assert plan.versions() == ["v2"]


def test_users_are_dealt_by_weight_and_stay(tmp_path: Path) -> None:
    plan, again = written(tmp_path, GIVEN), read_plan(tmp_path)
    dealt = [plan.side("books", f"user-{number}") for number in range(2000)]
    assert dealt == [again.side("books", f"user-{number}") for number in range(2000)]
    assert 0.56 < sum(side.arm == "bold" for side in dealt) / 2000 < 0.64
    assert {plan.side("songs", f"user-{number}") for number in range(50)} == {NONE}
    assert plan.side("books", None) == NONE


def test_an_experiment_without_its_version_does_not_run(tmp_path: Path) -> None:
    left = written(tmp_path, GIVEN).without(["v2"])
    assert left.experiments == {}
    assert left.side("books", "user-1") == NONE
    assert left.policy("books", NONE).name == "epsilon"


def test_no_file_is_no_plan(tmp_path: Path) -> None:
    assert read_plan(tmp_path) == Plan()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"polices": {}}, "did you mean 'policies'"),
        ({"policies": {"books": {"name": "epsilon", "within": "soon"}}}, "policies.books.within: 'soon' is not"),
        ({"policies": {"books": {"reward": "clik"}}}, "did you mean 'click'"),
        ({"policies": {"books": {"places": 0}}}, "'policies.books.places' is 0"),
        ({"experiments": {"x": {"arms": {"control": {}}}}}, "it has 1 arms"),
        ({"experiments": {"x": {"arms": {"control": {}, "": {}}}}}, "a name has 0 characters"),
        ({"experiments": {"x": {"arms": {"a": {}, "b": {"weight": 0}}}}}, "arm 'b' has the weight 0"),
        ({"experiments": {"x": {"arms": {"a": {}, "b": {}}, "guardrails": {"skips": 0.1}}}}, "'skips'"),
        ({"experiments": {"x": {"arms": {"a": {}, "b": {}}, "window": "0d"}}}, "'0d' is not a time"),
        (
            {"experiments": {name: {"arms": {"a": {}, "b": {}}} for name in ("x", "y")}},
            "'x' and 'y' run in the same scenario",
        ),
        ([], "a group of keys is expected"),
    ],
)
def test_mistakes_are_named(given: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json") as caught:
        written(tmp_path, given)
    assert words in str(caught.value)


def test_names_that_are_not_known_are_named_at_once(tmp_path: Path, host: Host) -> None:
    given = {
        "policies": {"boks": {"name": "epsilon"}, "books": {"name": "epsilon", "options": {"epsilon": 2}}},
        "experiments": {"x": {"scenarios": ["song"], "arms": {"a": {}, "b": {"policy": {"name": "tompson"}}}}},
    }
    with pytest.raises(ConfigError, match="2 problems") as caught:
        written(tmp_path, given, host)
    words = ("'policies.books.options.epsilon' is 2", "experiments.x.arms.b.policy", "did you mean 'thompson'")
    assert all(word in str(caught.value) for word in words)
    with pytest.raises(ConfigError, match="2 problems") as caught:
        check_scenarios(written(tmp_path, given), ["books", "songs"], "here")
    assert all(word in str(caught.value) for word in ("did you mean 'books'", "did you mean 'songs'"))


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="write JSON, as"):
        read_plan(tmp_path)
