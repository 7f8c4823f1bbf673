"""Enrichment: what plugins add to the items of a scenario, their own or another plugin's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from polyscene.data.columns import Column
from polyscene.data.scenario import Scenario, ScenarioConfig
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables
from polyscene.errors import DataError
from polyscene.graph.enrichment import Enrichment
from polyscene.graph.items import ItemGraph
from polyscene.registry.contributions import checked_enrichment
from polyscene.registry.host import Host


@dataclass(frozen=True)
class Enriched:
    """A scenario with what was added to its items.

    Args:
        scenario: what the plugin declares, with the new columns.
        tables: its data, with the new columns.
        gated: names of the new columns.
        graph: the knowledge graph that some of them come from, if any.
        graph_columns: the names of those.
        notes: one line for the log for each plugin that added something.
    """

    scenario: Scenario
    tables: Tables
    gated: tuple[str, ...] = ()
    graph: ItemGraph | None = None
    graph_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def enriched(
    scenario: Scenario,
    tables: Mapping[str, Tables],
    splits: Mapping[str, Split],
    options: Mapping[str, ScenarioConfig],
    host: Host,
) -> Enriched:
    """The scenario with the columns that plugins add to its items.

    Args:
        scenario: what is enriched.
        tables, splits, options: of the scenarios that may lend something, itself among them.
        host: asks the plugins.

    Raises:
        DataError: columns of the same name from two plugins, or two graphs.
        PluginError: an enricher broke that comes with one of these scenarios; any other is gone without.
    """
    result = Enriched(scenario, tables[scenario.name])
    found = host.call(
        "polyscene_enrich",
        check=lambda one: checked_enrichment(one, result.tables),
        scenario=scenario.name,
        tables=result.tables,
        loaded=dict(tables),
        splits={name: splits[name] for name in tables},
        options={name: options[name] for name in tables},
    )
    host.require(tables)
    for plugin, enrichment in found.items():
        if enrichment is not None:
            result = _with(result, enrichment, plugin)
    return result


def _with(before: Enriched, enrichment: Enrichment, plugin: str) -> Enriched:
    if before.graph is not None and enrichment.graph is not None:
        raise DataError(
            f"the items of '{before.scenario.name}' are linked to two graphs",
            where=f"plugin {plugin}",
            fix="let one of them enrich nothing (enrich=[])",
        )
    scenario, added = before.scenario, _names(enrichment.item_columns)
    return Enriched(
        replace(scenario, item_columns=(*scenario.item_columns, *enrichment.item_columns)),
        _with_links(_with_columns(before.tables, enrichment.items, plugin), enrichment.links, plugin),
        (*before.gated, *added),
        before.graph or enrichment.graph,
        (*before.graph_columns, *(added if enrichment.graph is not None else ())),
        (*before.notes, *([f"{scenario.name}: {enrichment.note}"] if enrichment.note else [])),
    )


def _names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column.name for column in columns))


def _with_columns(tables: Tables, more: pd.DataFrame | None, plugin: str) -> Tables:
    if more is None:
        return tables
    taken = sorted({str(column) for column in more if column != "item_id"} & set(map(str, tables.items)))
    if taken:
        raise DataError(
            f"the enrichment brings columns that the items already have: {', '.join(taken)}",
            where=f"plugin {plugin}",
            fix="give the enriched columns other names",
        )
    return replace(tables, items=tables.items.merge(more, on="item_id", how="left", validate="one_to_one"))


def _with_links(tables: Tables, links: pd.DataFrame | None, plugin: str) -> Tables:
    if links is None:
        return tables
    if tables.links is not None:
        raise DataError(
            "the enrichment brings links among users, and there are some already",
            where=f"plugin {plugin}",
            fix="let the data or one enricher bring them",
        )
    ends = links[["user_id", "friend_id"]]
    known = ends.isin(list(tables.user_ids)).all(axis=1)
    return replace(tables, links=ends.loc[known].reset_index(drop=True))
