"""Templates: which columns of a user and an item, and which of the user's past, make one text."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from polyscene.errors import ConfigError, Problems, did_you_mean

USER, ITEM, LIKED, DISLIKED = "user", "item", "liked", "disliked"
SOURCES = (USER, ITEM, LIKED, DISLIKED)
EXAMPLE = "[USER] {user.gender}; liked: {liked}; disliked: {disliked} [ITEM] {item.title}"


class Field(NamedTuple):
    """A place in a template that is filled for each pair of a user and an item.

    Args:
        source: ``user`` or ``item`` for a column of theirs; ``liked`` or ``disliked`` for a column of the items
            that the user liked or disliked before; empty where the template names a column alone.
        column: the column; empty for ``{liked}`` and ``{disliked}``.
    """

    source: str
    column: str


@dataclass(frozen=True)
class Template:
    """A template whose every field is known to exist.

    Args:
        parts: literal text and fields, in order.
    """

    parts: tuple[str | Field, ...]

    @property
    def reads_past(self) -> bool:
        """Whether a text tells what the user liked or disliked before."""
        return any(isinstance(part, Field) and part.source in (LIKED, DISLIKED) for part in self.parts)


def parse(template: str) -> tuple[str | Field, ...]:
    """Literal text and fields of a template.

    Fields are ``{user.COLUMN}``, ``{item.COLUMN}``, ``{liked.COLUMN}``, ``{disliked.COLUMN}``, a ``{COLUMN}`` that
    only users or only items have, and ``{liked}`` or ``{disliked}``, which show the first column of the item that
    the template names. A brace that is meant is written twice.

    Raises:
        ConfigError: what is written is no template.

    Example:
        >>> parse("[USER] {age} [ITEM] {item.title}")
        ('[USER] ', Field(source='', column='age'), ' [ITEM] ', Field(source='item', column='title'))
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"the template cannot be read ({error})", where="template", fix=_hint()) from None
    problems = Problems("template")
    parts: list[str | Field] = []
    for literal, name, form, conversion in pieces:
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if form or conversion or not name:
            problems.add(f"'{{{name}}}' is no field", fix=_hint())
        source, dot, column = name.partition(".")
        if not dot:
            source, column = (name, "") if name in (LIKED, DISLIKED) else ("", name)
        elif source not in SOURCES:
            problems.add(f"'{{{name}}}' begins with '{source}'", fix=did_you_mean(source, SOURCES))
        parts.append(Field(source, column))
    if not any(isinstance(part, Field) for part in parts):
        problems.add(f"'{template}' has no field", fix=_hint())
    problems.raise_if_any(ConfigError)
    return tuple(parts)


def resolve(template: str, users: Collection[str], items: Collection[str], where: str) -> Template:
    """A template with the table of each field found.

    Args:
        template: as in a config.
        users: columns of users.
        items: columns of items.
        where: names the scenario in messages.

    Raises:
        ConfigError: unknown columns, columns that both tables have, or nothing about the item.
    """
    problems = Problems(where)
    columns: Mapping[str, Collection[str]] = {USER: users, ITEM: items, LIKED: items, DISLIKED: items}
    parts = parse(template)
    found: list[str | Field] = []
    for part in parts:
        if isinstance(part, str):
            found.append(part)
            continue
        source, column = part
        if not source and column in users and column in items:
            fix = f"write {{user.{column}}} or {{item.{column}}}"
            problems.add(f"the template's column '{column}' is one of users and one of items", fix=fix)
        elif not source:
            source = USER if column in users else ITEM
        known = columns.get(source, ())
        if column and column not in known:
            known, owner = ({*users, *items}, "users or items") if not part.source else (known, _owner(source))
            problems.add(
                f"the template's column '{column}' is not one of {owner}", fix=did_you_mean(column, known)
            )
        found.append(Field(source, column))
    shown = [part.column for part in found if isinstance(part, Field) and part.source == ITEM]
    if not shown:
        fix = f"add one, as in {{item.COLUMN}}. Known: {', '.join(sorted(items))}"
        problems.add("the template says nothing about the item", fix=fix)
    problems.raise_if_any(ConfigError)
    return Template(
        tuple(part if isinstance(part, str) or part.column else Field(part.source, shown[0]) for part in found)
    )


def _owner(source: str) -> str:
    return "users" if source == USER else "items"


def _hint() -> str:
    return f"write it as in '{EXAMPLE}'"
