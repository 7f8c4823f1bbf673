"""What must hold for every enricher: it adds columns, from training rows only, and changes nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from polyscene.config.choice import chosen
from polyscene.data.fingerprint import fingerprint
from polyscene.data.phases import Phase
from polyscene.data.splits.base import Split
from polyscene.data.tables import Tables
from polyscene.errors import DataNotAvailable
from polyscene.graph.enrichment import Enrichment
from polyscene.registry.contributions import checked_enrichment
from polyscene.testing.runs import host_of, short_config
from polyscene.training.session import Session


@dataclass(frozen=True)
class Lent:
    """What an enricher is given: tables, splits and options of the scenarios of a run by name."""

    tables: Mapping[str, Tables]
    splits: Mapping[str, Split]
    options: Mapping[str, Any]


class EnricherSuite:
    """Tests of ``polyscene_enrich`` of a plugin, on the scenarios of a run; skipped where their data are missing.

    A test class for a plugin that adds columns to the items of ``podcast``::

        class TestEnricher(EnricherSuite):
            plugin = polyscene_charts
            beside = (polyscene_podcast,)
            scenarios = {"podcast": {}}

    Attributes:
        plugin: the module that implements the hook.
        beside: plugins that bring the scenarios, where it does not.
        scenarios: the scenarios of the run with their options; the items of the first one are enriched.
    """

    plugin: ClassVar[ModuleType]
    beside: ClassVar[tuple[ModuleType, ...]] = ()
    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]]

    @pytest.fixture(scope="class")
    @classmethod
    def lent(cls) -> Lent:
        """The data of the scenarios, split as their configs say."""
        return cls.loaded()

    @classmethod
    def loaded(cls) -> Lent:
        """The data of the scenarios; override it to make them up."""
        host = host_of(cls.plugin, *cls.beside)
        config = short_config(host, cls.scenarios)
        access = Session(config, host, torch.device("cpu"), lambda _: None).access
        try:
            tables = {name: host.scenario(name).load(config.scenario[name], access) for name in cls.scenarios}
        except DataNotAvailable as error:
            pytest.skip(f"NO DATA: {error.what}")
        splits = {
            name: chosen("split", config.scenario[name].split, host, where=f"{name}.split").build().split(one)
            for name, one in tables.items()
        }
        return Lent(tables, splits, config.scenario)

    @classmethod
    def enrich(cls, lent: Lent, scenario: str = "") -> Enrichment | None:
        """What the hook returns for a scenario, or the first one, checked as a run checks it."""
        host, first = host_of(cls.plugin, *cls.beside), next(iter(cls.scenarios))
        tables = lent.tables.get(scenario, lent.tables[first])
        name = next(record.name for record in host.records if record.module == cls.plugin.__name__)
        found = host.call(
            "polyscene_enrich",
            only=name,
            scenario=scenario or first,
            tables=tables,
            loaded=dict(lent.tables),
            splits=dict(lent.splits),
            options=dict(lent.options),
        )
        if name not in found:
            [record] = [one for one in host.records if one.name == name]
            raise AssertionError(record.complaint() if record.reason else "it does not implement polyscene_enrich")
        return checked_enrichment(found[name], tables)

    def changed(self, tables: Tables, split: Split) -> Tables:
        """The tables with other held-out rows: their items change places; facts and links are left to override."""
        held = np.flatnonzero(split.phase_R != Phase.TRAIN)
        item_R = tables.interactions["item_id"].astype("str").to_numpy(copy=True)
        item_R[held] = item_R[np.roll(held, 1)]
        return replace(tables, interactions=tables.interactions.assign(item_id=item_R))

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, lent: Lent) -> Enrichment | None:
        """What the hook returns for the scenario whose items get columns."""
        return cls.enrich(lent)

    def test_it_adds_columns_that_can_be_encoded(self, found: Enrichment | None) -> None:
        first = next(iter(self.scenarios))
        assert found is not None, f"it adds nothing to '{first}': is its data linked to these items?"
        declared = found.item_columns or found.items is None
        assert declared, "it brings a frame and declares no column of it"
        assert found.item_columns or found.links is not None, "it brings neither columns nor links"

    def test_it_adds_nothing_to_a_scenario_that_it_does_not_know(self, lent: Lent) -> None:
        found = self.enrich(lent, "a_scenario_nobody_knows")
        assert found is None, "return None for scenarios that are not yours to enrich"

    def test_held_out_rows_teach_nothing(self, lent: Lent, found: Enrichment | None) -> None:
        other = {name: self.changed(tables, lent.splits[name]) for name, tables in lent.tables.items()}
        why = "what it adds changes with held-out rows: read rows of Phase.TRAIN only (see splits)"
        assert _digest(self.enrich(replace(lent, tables=other))) == _digest(found), why

    def test_it_gives_the_same_twice_and_changes_nothing_that_it_was_given(
        self, lent: Lent, found: Enrichment | None
    ) -> None:
        before = {name: _frames(tables) for name, tables in lent.tables.items()}
        assert _digest(self.enrich(lent)) == _digest(found), "it adds something else: sort, and draw with a seed"
        for name, tables in lent.tables.items():
            assert _frames(tables) == before[name], f"it changes the tables of '{name}': work on copies"


def _digest(found: Enrichment | None) -> tuple[str, Any]:
    if found is None:
        return "", ()
    brought = {"items": found.items, "links": found.links}
    return fingerprint({name: frame for name, frame in brought.items() if frame is not None}), found.item_columns


def _frames(tables: Tables) -> str:
    frames: dict[str, pd.DataFrame] = {"items": tables.items, "users": tables.users, "rows": tables.interactions}
    return fingerprint(frames)
