"""Variants: grouped over seeds, and named by nothing but what sets them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from polyscene.comparison.runs import Run
from polyscene.comparison.variants import flat, settings_apart, variants


def test_runs_of_one_config_are_one_variant_named_by_its_difference(runs: list[Run]) -> None:
    found = variants(runs)
    assert [one.label for one in found] == ["adapter=none", "adapter=gate"]
    assert [one.settings for one in found] == [{"adapter": "none"}, {"adapter": "gate"}]
    assert [[run.config["seed"] for run in one.runs] for one in found] == [[0, 1], [0, 1]]


def test_a_repeated_run_does_not_count_twice(runs: list[Run], copied: Callable[[str, str], Path]) -> None:
    again = Run(copied("0", "again"))
    assert [run.folder for run in variants([*runs, again])[0].runs] == [runs[0].folder, runs[1].folder]


def test_labels_of_a_suite_are_kept(runs: list[Run]) -> None:
    labelled = [replace(run, label="gated" if number > 1 else "plain") for number, run in enumerate(runs)]
    assert [one.label for one in variants(labelled)] == ["plain", "gated"]


def test_a_single_variant_needs_no_name(runs: list[Run]) -> None:
    assert [one.label for one in variants(runs[:2])] == [""]


def test_what_a_component_brings_is_said_by_its_name() -> None:
    configs = [
        {"adapter.name": "gate", "trainer.lr": "0.1"},
        {"adapter.name": "lora", "adapter.rank": "4", "trainer.lr": "0.1"},
        {"adapter.name": "lora", "adapter.rank": "8", "trainer.lr": "0.1"},
        {"adapter.name": "bottleneck", "adapter.rank": "16", "trainer.lr": "0.1"},
    ]
    assert settings_apart(configs) == [
        {"adapter": "gate"},
        {"adapter": "lora", "adapter.rank": "4"},
        {"adapter": "lora", "adapter.rank": "8"},
        {"adapter": "bottleneck"},
    ]


def test_options_of_a_scenario_count_among_those_that_have_it() -> None:
    configs = [
        {"scenario": "[video]", "scenario.video.max_history": "8"},
        {"scenario": "[video,kg]", "scenario.video.max_history": "8", "scenario.kg.max_history": "2"},
    ]
    assert settings_apart(configs) == [{"scenario": "[video]"}, {"scenario": "[video,kg]"}]


def test_flat_keys_and_yaml_words() -> None:
    assert flat({"a": {"b": None, "c": True}, "d": [1], "e": {}}) == {
        "a.b": "null",
        "a.c": "true",
        "d": "[1]",
        "e": "{}",
    }
