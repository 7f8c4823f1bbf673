"""Loading: from the scenarios that a config names to tables, splits and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polyscene.config.choice import chosen
from polyscene.config.schema import TrainConfig
from polyscene.data.access import DataAccess
from polyscene.data.build import build_events
from polyscene.data.columns import Column, Id, Text
from polyscene.data.configured import configured
from polyscene.data.declared import validate_scenario
from polyscene.data.domains import domain_name, scenario_of
from polyscene.data.events import Events
from polyscene.data.partition import Part, partition
from polyscene.data.scenario import Scenario
from polyscene.data.shots import draw_shots, with_shots
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables
from polyscene.errors import DataNotAvailable
from polyscene.graph.items import ItemGraph
from polyscene.registry.host import Host
from polyscene.training.enriching import enriched


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario with its data.

    Args:
        scenario: what the plugin declares, with enriched columns added.
        config: the scenario's options.
        tables: its data, with enriched columns added.
        split: the phase of every interaction.
        events: the interactions as flat tensors.
        gated: names of the columns that enrichers added, which come in through a closed gate.
        graph: the knowledge graph that the items are linked to, where one enriches them.
        graph_columns: those of the gated columns that come from it.
        whole: the scenario that this is a domain of, ``None`` where it is none.
        part: where the domain lies in it.
    """

    scenario: Scenario
    config: Any
    tables: Tables
    split: Split
    events: Events
    gated: tuple[str, ...] = ()
    graph: ItemGraph | None = None
    graph_columns: tuple[str, ...] = ()
    whole: LoadedScenario | None = None
    part: Part | None = None

    def text_columns(self) -> list[pd.Series]:
        """The columns that are declared as text: all that the backbone reads."""
        return [
            getattr(self.tables, table)[column.name].fillna("").astype(str)
            for table in ("items", "users")
            for column in columns_of(self, table)
            if isinstance(column, Text)
        ]


@dataclass(frozen=True)
class Loaded:
    """All scenarios of a run that could be loaded.

    Args:
        scenarios: by name, in the order of the config.
        skipped: for each scenario whose data is not available, why and how to get it.
        notes: what enrichment added, for the log.
    """

    scenarios: Mapping[str, LoadedScenario]
    skipped: Mapping[str, str]
    notes: tuple[str, ...]

    def spaces(self) -> dict[str, np.ndarray]:
        """The ids of every id space, over all scenarios: sorted arrays of str."""
        found: dict[str, list[pd.Series]] = {}
        for loaded in self.scenarios.values():
            for ids, space in _identities(loaded):
                found.setdefault(space, []).append(ids.dropna().astype(str))
        return {
            space: np.unique(np.concatenate([ids.to_numpy(dtype=str) for ids in parts]))
            for space, parts in found.items()
        }


def load_scenarios(
    config: TrainConfig, host: Host, access: DataAccess, say: Callable[[str], None], only: list[str] | None = None
) -> Loaded:
    """Load, check, split and enrich the scenarios of a config.

    Args:
        config: the run's config.
        host: brings scenarios, splits and enrichers.
        access: fetches data sets.
        say: receives a line for each scenario: what it uses and where it came from.
        only: load these scenarios (or domains of theirs) instead of all.

    Raises:
        DataNotAvailable: no scenario's data is available.
        DataError: data is there but wrong.
    """
    tables: dict[str, Tables] = {}
    splits: dict[str, Split] = {}
    order: dict[str, Split] = {}  # of scenarios with shots: the rows of a user stay in the order of this split
    labelled: dict[str, np.ndarray] = {}
    skipped: dict[str, str] = {}
    for name in dict.fromkeys(map(scenario_of, only)) if only else config.scenario:
        options = config.scenario[name]
        scenario = configured(host.scenario(name), options)
        try:
            tables[name] = scenario.load(options, access)
        except DataNotAvailable as reason:
            skipped[name] = str(reason)
            say(f"{name}: skipped, its data is not available\n{reason}")
            continue
        host.check_tables(name, tables[name])
        validate_scenario(scenario, tables[name])
        wanted = _located(options.split, access)
        splits[name] = chosen("split", wanted, host, where=f"scenario.{name}.split").build().split(tables[name])
        if options.shots is not None:
            order[name] = splits[name]
            where = f"scenario.{name}.shots"
            labelled[name] = draw_shots(splits[name], options.shots, options.draw, where=where)
            splits[name] = with_shots(splits[name], labelled[name])
        for source in tables[name].sources:
            say(f"{name}: {source}")
    if not tables:
        raise DataNotAvailable(
            "no scenario has its data:\n" + "\n".join(skipped.values()),
            fix="`polyscene data list` shows what is at hand",
        )
    notes: list[str] = []
    loaded: dict[str, LoadedScenario] = {}
    for name in tables:
        declared = configured(host.scenario(name), config.scenario[name])
        # What was added to a trained model was not there when it was trained, nor the other way round.
        seen = [name] if name in config.adapted else [one for one in tables if one not in config.adapted]
        added = enriched(declared, {one: tables[one] for one in seen}, splits, config.scenario, host)
        notes += added.notes
        events = build_events(added.tables, order.get(name, splits[name]), added.scenario, labelled.get(name))
        whole = LoadedScenario(
            added.scenario,
            config.scenario[name],
            added.tables,
            splits[name],
            events,
            added.gated,
            added.graph,
            added.graph_columns,
        )
        loaded |= _domains(name, whole, say)
    for note in notes:
        say(note)
    wanted = {name: one for name, one in loaded.items() if not only or name in only or scenario_of(name) in only}
    return Loaded(wanted, skipped, tuple(notes))


def with_draw(full: LoadedScenario, shots: int | None, draw: int) -> LoadedScenario:
    """A scenario of whose training rows a few are labelled.

    Args:
        full: the scenario with all rows labelled.
        shots: how many; ``None`` for all.
        draw: which of them.

    Raises:
        DataError: there are fewer training rows.
    """
    if shots is None:
        return full
    shots_R = draw_shots(full.split, shots, draw, where=f"{full.scenario.name}, shots")
    return replace(
        full,
        config=replace(full.config, shots=shots, draw=draw),
        split=with_shots(full.split, shots_R),
        events=build_events(full.tables, full.split, full.scenario, shots_R),
    )


def _located(split: Mapping[str, Any], access: DataAccess) -> Mapping[str, Any]:
    """A split's options, with a relative path that is not here taken from the folder of data sets."""
    path = Path(str(split.get("path") or ""))
    if not split.get("path") or access.root is None or path.is_file() or not (access.root / path).is_file():
        return split
    return {**split, "path": str(access.root / path)}


def _domains(name: str, whole: LoadedScenario, say: Callable[[str], None]) -> dict[str, LoadedScenario]:
    """The domains of a scenario as scenarios of their own, by name; itself where its config divides nothing."""
    if whole.config.domains is None:
        return {name: whole}
    parts = partition(name, whole.tables, whole.split, whole.events, whole.config.domains)
    counts = ", ".join(f"{part.label} {len(part.row_R):,}" for part in parts)
    left = len(whole.tables.interactions) - sum(len(part.row_R) for part in parts)
    rest = f"; {left:,} rows are in none of them" if left else ""
    say(f"{name}: domains by {whole.config.domains.column} (rows): {counts}{rest}")
    return {
        domain_name(name, part.label): replace(
            whole, tables=part.tables, split=part.split, events=part.events, whole=whole, part=part
        )
        for part in parts
    }


def columns_of(loaded: LoadedScenario, table: str) -> tuple[Column, ...]:
    """The declared columns of ``items``, ``users`` or ``events``; own ids are in the scenario's spaces."""
    scenario = loaded.scenario
    if table == "events":
        return scenario.event_columns
    columns, space = {
        "items": (scenario.item_columns, scenario.item_space),
        "users": (scenario.user_columns, scenario.user_space),
    }[table]
    return tuple(
        replace(column, space=space) if isinstance(column, Id) and not (column.name or column.space) else column
        for column in columns
    )


def _identities(loaded: LoadedScenario) -> list[tuple[pd.Series, str]]:
    """``(ids, space)`` of everything in a scenario that is an id of a named space."""
    found = []
    for table, own, space in (
        ("items", "item_id", loaded.scenario.item_space),
        ("users", "user_id", loaded.scenario.user_space),
    ):
        frame = getattr(loaded.tables, table)
        if space:
            found.append((frame[own], space))
        found += [
            (frame[column.name or own], column.space)
            for column in columns_of(loaded, table)
            if isinstance(column, Id) and column.space
        ]
    return found
