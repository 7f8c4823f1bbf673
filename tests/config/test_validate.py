"""Mappings become dataclasses, and every mistake is reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.config.plain import to_mapping
from polyscene.config.validate import bounded, from_mapping, from_mapping_or_raise
from polyscene.errors import ConfigError, Problems


@dataclass
class Inner:
    rate: float = bounded(0.1, at_least=0, at_most=1)
    names: list[str] = field(default_factory=list)


@dataclass
class Outer:
    count: int
    kind: Literal["a", "b"] = "a"
    flag: bool = False
    path: Path | None = None
    inner: Inner = field(default_factory=Inner)
    extra: dict[str, Any] = field(default_factory=dict)
    pair: tuple[int, str] = (0, "x")
    either: int | str = 0
    options: Mapping[str, Inner] = field(default_factory=dict)


def problems_of(mapping: Any, cls: type = Outer) -> list[str]:
    problems = Problems("config")
    result = from_mapping(cls, mapping, problems)
    assert (result is None) == bool(problems.found)
    return problems.found


def test_all_problems_at_once() -> None:
    found = problems_of(
        {"cuont": 1, "kind": "c", "flag": 1, "inner": {"rate": 2, "nmaes": []}, "pair": [1], "options": {"a": 3}}
    )
    known = "count, either, extra, flag, inner, kind, options, pair, path"
    assert found == [
        f"there is no option 'cuont': did you mean 'count'? Known: {known}",
        "'count' is missing: give a whole number, as in count=VALUE",
        "'kind' is 'c' (str); one of a, b is expected",
        "'flag' is 1 (int); true or false is expected",
        "there is no option 'inner.nmaes': did you mean 'names'? Known: names, rate",
        "'inner.rate' is 2.0; from 0 to 1 is expected",
        "'pair' is [1] (a list); a list of 2 is expected",
        "options.a is 3 (int); a group of keys is expected",
    ]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("count", "1", "a whole number"),
        ("count", 1.5, "a whole number"),
        ("count", True, "a whole number"),
        ("count", None, "a whole number"),
        ("path", 3, "a path or null"),
        ("extra", [1], "a group of keys"),
        ("either", 1.5, "a whole number or text"),
        ("either", None, "a whole number or text"),
    ],
)
def test_wrong_types(key: str, value: Any, expected: str) -> None:
    [problem] = problems_of({"count": 1, key: value})
    assert problem.startswith(f"'{key}' is ")
    assert problem.endswith(f"; {expected} is expected")


@pytest.mark.parametrize(
    ("key", "value", "result"),
    [
        ("count", 2.0, 2),
        ("path", "a/b", Path("a/b")),
        ("path", None, None),
        ("pair", [1, "y"], (1, "y")),
        ("either", "z", "z"),
        ("inner", {"rate": 1}, Inner(rate=1.0)),
        ("options", {"a": {"rate": 0}}, {"a": Inner(rate=0.0)}),
    ],
)
def test_accepted_values(key: str, value: Any, result: Any) -> None:
    converted = from_mapping(Outer, {"count": 1, key: value}, Problems(""))
    assert getattr(converted, key) == result


def test_a_check_of_the_class_itself_is_gathered() -> None:
    @dataclass
    class Picky:
        low: int = 0
        high: int = 1

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ConfigError("low is above high")

    problems = Problems("config")
    from_mapping(Picky, {"low": 5}, problems, "range")
    assert problems.found == ["range: low is above high"]


def test_not_a_number_is_out_of_bounds() -> None:
    assert problems_of({"rate": float("nan")}, Inner) == ["'rate' is nan; from 0 to 1 is expected"]


def test_raising_names_the_place() -> None:
    with pytest.raises(ConfigError, match=r"adapter: 1 problem\n  - there is no option 'rnk'"):
        from_mapping_or_raise(Inner, {"rnk": 3}, where="adapter")
    with pytest.raises(ConfigError, match="this component has no options"):
        from_mapping_or_raise(None, {"rank": 3}, where="adapter")
    assert from_mapping_or_raise(None, {}, where="adapter") is None


@given(
    st.builds(
        Outer,
        count=st.integers(),
        kind=st.sampled_from(["a", "b"]),
        flag=st.booleans(),
        path=st.none(),
        inner=st.builds(Inner, rate=st.floats(0, 1), names=st.lists(st.text())),
        extra=st.dictionaries(st.text(), st.integers()),
        pair=st.tuples(st.integers(), st.text()),
        either=st.one_of(st.integers(), st.text()),
        options=st.dictionaries(st.text(), st.builds(Inner, rate=st.floats(0, 1), names=st.just([]))),
    )
)
def test_plain_values_come_back(value: Outer) -> None:
    problems = Problems("")
    assert from_mapping(Outer, to_mapping(value), problems) == value
    assert not problems.found
