"""A scenario: what a plugin declares about one recommendation setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from polyscene.config.validate import bounded
from polyscene.data.columns import Column, Id, Text
from polyscene.data.domains import DomainsConfig

if TYPE_CHECKING:
    from polyscene.data.access import DataAccess
    from polyscene.data.tables import Tables


Way = Literal["verbalized", "attention", "side_vectors"]
"""How a knowledge graph enriches items, see :func:`polyscene.graph.enrichment.graph_enrichment`."""


@dataclass(frozen=True)
class TaskSpec:
    """One thing that a scenario learns.

    Args:
        name: the task component, such as ``ranking`` or ``rating``.
        weight: its share in the scenario's loss.
        options: options of the task component, checked against its config class.
    """

    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PriorSpec:
    """Something that counting says of items, beside what the network says.

    Args:
        name: the prior component, such as ``co_occurrence`` or ``linear``.
        options: options of the component, checked against its config class.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """One way to ask for a ranking, evaluated and reported on its own.

    Args:
        name: the name in reports.
        mask_history: whether items of the user's history are left out of the ranking and of the targets
            (what is new to the user), or stay in both (repeat consumption).
    """

    name: str = "all"
    mask_history: bool = True


@dataclass
class ScenarioConfig:
    """Options that every scenario has; a plugin may subclass it and add its own.

    Args:
        dataset: name of the data set that the scenario loads, empty if it needs none.
        split: the split component and its options, for example ``{name: leave_one_out}``.
        max_history: longest history (in rows) that the sequence model sees.
        share: relative share of the training rows (before temperature).
        adapter: this scenario's own adapter, as ``gate`` or ``{name: bottleneck, rank: 8}``; null takes the run's
            ``adapter``. A plugin that sets a default of its own here takes its scenario out of comparisons with
            ``adapter=...``.
        domains: divides the scenario by a column of its users or items into scenarios ``NAME-DOMAIN`` of the
            model, which share encoders; null leaves it whole.
        columns: for ``items``, ``users`` or ``events`` the columns that are read instead of the declared ones,
            each with its encoder, as in ``{users: {id: id, gender: category}}`` (``id`` is the entity's own) or,
            with options of the encoder, ``{zip_code: {name: category, min_rows: 1}}``.
        tasks: what is learned instead of the declared tasks, as in ``[{name: click, options: {threshold: 3}}]``.
        priors: what is counted instead of the declared priors, as in ``[{name: co_occurrence, window: 5}]``; an
            empty list counts nothing.
        shots: so many training rows, drawn at random, are labelled: learned from and counted. The others are
            context of histories. Null labels all.
        draw: which rows are drawn; shots of one draw are nested.
        resample: rows come up in training in proportion to (training rows of their item) ** -resample: 0 all
            alike, 1 every item as often as any other. Beside what the task itself asks for, as for classes.
    """

    dataset: str = ""
    split: dict[str, Any] = field(default_factory=lambda: {"name": "leave_one_out"})
    max_history: int = 50
    share: float = 1.0
    adapter: str | dict[str, Any] | None = None
    domains: DomainsConfig | None = None
    columns: dict[str, dict[str, str | dict[str, Any]]] = field(default_factory=dict)
    tasks: list[TaskSpec] | None = None
    priors: list[Any] | None = None
    shots: int | None = bounded(None, at_least=0)
    draw: int = bounded(0, at_least=0)
    resample: float = bounded(0.0, at_least=0, at_most=2)


@dataclass(frozen=True)
class Scenario:
    """One recommendation setting with its own data, features, adaptation and task.

    Args:
        name: the name in configs and reports, a lower-case identifier.
        load: ``load(config, data) -> Tables``; ``config`` is an instance of ``config`` below and ``data`` a
            :class:`polyscene.DataAccess` that fetches data sets and knows the cache.
        item_columns, user_columns: the columns that describe items and users.
        event_columns: columns of interactions that describe a step of the history (price, rating, time).
        tasks: what is learned; the first task ranks and is reported.
        views: the rankings that are evaluated.
        priors: what is counted of its rows and added to the scores of the first task, which ranks; each has a
            learned gate.
        together: whether rows of a user with the same time happened at once, as items of a basket: none of them
            is seen when another is predicted (their order in the file would give them away).
        user_space, item_space: scenarios that name the same space share those ids and their vectors.
        config: dataclass of the scenario's options.
        title: one line for people.
    """

    name: str
    load: Callable[[Any, DataAccess], Tables]
    item_columns: tuple[Column, ...] = (Text(), Id())
    user_columns: tuple[Column, ...] = ()
    event_columns: tuple[Column, ...] = ()
    tasks: tuple[TaskSpec, ...] = (TaskSpec("ranking"),)
    views: tuple[View, ...] = (View(),)
    priors: tuple[PriorSpec, ...] = ()
    together: bool = False
    user_space: str = ""
    item_space: str = ""
    config: type = ScenarioConfig
    title: str = ""
