"""Templates: fields find their tables, and mistakes are told before anything is computed."""

from __future__ import annotations

import pytest

from polyscene.errors import ConfigError
from polyscene.features.template import Field, parse, resolve

USERS, ITEMS = ["user_id", "age", "name"], ["item_id", "title", "year", "name"]


def test_fields_find_their_tables() -> None:
    found = resolve("[USER] {age}: {liked}, {disliked.year} {{x}} {item.title} {year}", USERS, ITEMS, "here")
    fields = [part for part in found.parts if isinstance(part, Field)]
    assert fields == [
        Field("user", "age"),
        Field("liked", "title"),
        Field("disliked", "year"),
        Field("item", "title"),
        Field("item", "year"),
    ]
    assert "".join(part for part in found.parts if isinstance(part, str)) == "[USER] : ,  {x}  "
    assert found.reads_past
    assert not resolve("{title}", USERS, ITEMS, "here").reads_past


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{age} {titel}", r"'titel' is not one of users or items: did you mean 'title'"),
        ("{user.title} {title}", r"'title' is not one of users: .*Known: age"),
        ("{liked.yaer} {title}", r"'yaer' is not one of items: did you mean 'year'"),
        ("{name} {title}", r"'name' is one of users and one of items: write {user.name} or {item.name}"),
        ("{age} {liked}", r"says nothing about the item: add one, as in {item.COLUMN}"),
        ("{usr.age} {title}", r"begins with 'usr': did you mean 'user'"),
        ("{title:>10}", r"'{title}' is no field: write it as in"),
        ("{}", r"'{}' is no field"),
        ("{title", r"cannot be read .*expected '}'"),
        ("no field at all", r"has no field: write it as in"),
    ],
)
def test_mistakes(template: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(template, USERS, ITEMS, "here")


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*'a' is not.*'b' is not"):
        resolve("{a} {b} {title}", USERS, ITEMS, "here")
    with pytest.raises(ConfigError, match=r"(?s)2 problems.*'x'.*'y'"):
        parse("{x.a} {y.b}")
