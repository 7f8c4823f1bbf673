"""What must hold for every scenario: its declaration, its data, and a short training of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch

from polyscene.config.choice import chosen
from polyscene.config.schema import TrainConfig
from polyscene.data.access import DataAccess
from polyscene.data.configured import configured
from polyscene.data.declared import validate_scenario
from polyscene.data.phases import Phase
from polyscene.data.scenario import Scenario
from polyscene.data.tables import Tables
from polyscene.errors import DataNotAvailable, PolysceneError
from polyscene.registry.host import Host
from polyscene.testing.backbone import write_small_backbone
from polyscene.testing.runs import host_of, short_config
from polyscene.testing.smaller import smaller
from polyscene.training.folder import CHECKPOINTS
from polyscene.training.run import train
from polyscene.training.session import Session


class ScenarioSuite:
    """Tests of a scenario on its own data; where these are not at hand, the tests that need them are skipped.

    A test class for the scenario ``podcast`` of the package ``polyscene_podcast``::

        class TestPodcast(ScenarioSuite):
            plugin = polyscene_podcast
            scenario = "podcast"
            options = {"path": "tests/plays.csv"}

    Attributes:
        plugin: the module that the plugin's entry point names; it need not be installed.
        scenario: the scenario's name.
        options: of the scenario, such as the path of a small file beside the test.
        overrides: of a training run, as on the command line.
    """

    plugin: ClassVar[ModuleType]
    scenario: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    overrides: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def host(cls) -> Host:
        """A host with the plugin and no other."""
        return host_of(cls.plugin)

    @pytest.fixture(scope="class")
    @classmethod
    def config(cls, host: Host) -> TrainConfig:
        """The config of a short training."""
        return short_config(host, {cls.scenario: cls.options}, *cls.overrides)

    @pytest.fixture(scope="class")
    @classmethod
    def declared(cls, host: Host, config: TrainConfig) -> Scenario:
        """What the plugin declares, as the options change it."""
        return configured(host.scenario(cls.scenario), config.scenario[cls.scenario])

    @pytest.fixture(scope="class")
    @classmethod
    def tables(cls, host: Host, config: TrainConfig, declared: Scenario) -> Tables:
        """The scenario's data."""
        return cls.loaded(host, config, declared)

    @classmethod
    def loaded(cls, host: Host, config: TrainConfig, declared: Scenario) -> Tables:
        """The scenario's data, loaded as a run does it."""
        access = Session(config, host, torch.device("cpu"), lambda _: None).access
        try:
            return declared.load(config.scenario[cls.scenario], access)
        except DataNotAvailable as error:
            pytest.skip(f"NO DATA for scenario '{cls.scenario}': {error.what}")

    def test_the_plugin_works(self, host: Host) -> None:
        assert host.registry is not None  # asks for components, which shows faults that nothing else would
        assert [record.complaint() for record in host.records if record.status != "active"] == []

    def test_it_says_what_it_is(self, declared: Scenario) -> None:
        assert declared.title, "give the scenario a title: one line that lists and reports show"

    def test_a_run_can_choose_it(self, config: TrainConfig, declared: Scenario) -> None:
        assert isinstance(config.scenario[self.scenario], declared.config)

    def test_tables_hold_what_is_declared(self, declared: Scenario, tables: Tables) -> None:
        validate_scenario(declared, tables)

    def test_loading_twice_gives_the_same_tables(
        self, host: Host, config: TrainConfig, declared: Scenario, tables: Tables
    ) -> None:
        again = self.loaded(host, config, declared)
        same = again.fingerprint() == tables.fingerprint()
        assert same, "load() gives other rows, or another order, the second time: sort, and draw with a seed"

    def test_it_says_where_the_data_comes_from(self, tables: Tables) -> None:
        assert all(tables.sources), "an empty line in Tables.sources"
        assert tables.sources, "give Tables(sources=...): one line each, where from and on what terms"

    def test_the_split_leaves_rows_for_every_phase(self, host: Host, config: TrainConfig, tables: Tables) -> None:
        options = config.scenario[self.scenario].split
        split = chosen("split", options, host, where="split").build().split(tables)
        rows = {phase.name.lower(): split.count(phase) for phase in (Phase.TRAIN, Phase.VALIDATION, Phase.TEST)}
        assert all(rows.values()), f"split {options} leaves {rows}: choose another one in the scenario's config"

    def test_data_that_is_not_at_hand_is_said_in_words(
        self, config: TrainConfig, declared: Scenario, tmp_path: Path
    ) -> None:
        nowhere = DataAccess(tmp_path / "data", tmp_path / "cache", offline=True, datasets=config.dataset)
        try:
            declared.load(config.scenario[self.scenario], nowhere)
        except PolysceneError:
            pass
        except Exception as error:
            raise AssertionError(
                f"without its data load() raises {type(error).__name__}: get folders from data.path(NAME) and "
                "read them with read_csv, read_parquet or read_atomic, which say what is missing"
            ) from error

    def test_a_short_training_ends_with_figures_and_a_checkpoint(
        self, host: Host, declared: Scenario, tables: Tables, tmp_path: Path
    ) -> None:
        folder = tmp_path / "run"
        model = write_small_backbone(tmp_path / "backbone")
        overrides = (*self.overrides, f"backbone.model={model}", f"data.cache={tmp_path / 'cache'}")
        config = short_config(host, {self.scenario: self.options}, *overrides, run=folder)
        few = smaller(tables)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(host.scenarios, self.scenario, replace(declared, load=lambda *_: few))
            assert train(config, host) == folder
        results = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["results"]
        assert results, "nothing was evaluated: are there test rows?"
        assert all(math.isfinite(row["value"]) for row in results), "a figure is not finite"
        assert list((folder / CHECKPOINTS).rglob("*.safetensors"))
