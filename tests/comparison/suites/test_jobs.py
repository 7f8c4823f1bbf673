"""Which runs a suite is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyscene.comparison.suites.jobs import jobs_of
from tests.tiny import tiny_host


def test_scenarios_by_protocols_by_methods_by_seeds(suite: Any) -> None:
    jobs = jobs_of(
        suite(
            scenarios={"pair": ["shop", "likes"], "one": ["shop"]},
            protocols={
                "plain": {"methods": ["none"]},
                "warm": {"overrides": ["scenario.shop.split={name: leave_one_out, cold_items: 0}"]},
            },
        ),
        tiny_host(),
    )
    assert len(jobs) == len({job.name for job in jobs}) == 2 * (1 + 2) * 2
    assert [job.seed for job in jobs] == sorted(job.seed or 0 for job in jobs)  # one seed after the other
    for job in jobs:
        assert job.config is not None
        assert job.config.seed == job.seed
        assert job.config.adapter.name == job.method
        assert list(job.config.scenario) == (["shop", "likes"] if job.group == "pair" else ["shop"])
        cold = job.config.scenario["shop"].split["cold_items"]
        assert cold == (0 if job.protocol == "warm" else 0.1)


def test_an_override_of_a_scenario_reaches_those_that_have_it(suite: Any) -> None:
    jobs = jobs_of(
        suite(
            scenarios={"shop": ["shop"], "likes": ["likes"]},
            methods={"short": ["scenario.shop.max_history=2", "scenario.likes.max_history=3"]},
        ),
        tiny_host(),
    )
    assert {(job.group, job.config.scenario[job.group].max_history) for job in jobs if job.config} == {
        ("shop", 2),
        ("likes", 3),
    }


def test_counts_once_and_models_with_every_seed_of_the_first_method(suite: Any) -> None:
    jobs = jobs_of(suite(controls=["single", "popularity"]), tiny_host())
    assert {(job.method, job.seed): job.config.controls for job in jobs if job.config} == {
        ("none", 0): ["single", "popularity"],
        ("none", 1): ["single"],
        ("gate", 0): [],
        ("gate", 1): [],
    }


def test_each_scenario_held_out_in_turn_and_added_after(suite: Any) -> None:
    protocols = {"few": {"command": "adapt", "adapt": ["shots=[2,4]", "draws=2"], "methods": ["gate"]}}
    jobs = jobs_of(suite(protocols=protocols, seeds=[0]), tiny_host())
    trainings, adaptations = jobs[:2], jobs[2:]
    assert [(job.command, job.held) for job in jobs] == [
        ("train", "shop"),
        ("train", "likes"),
        ("adapt", "shop"),
        ("adapt", "likes"),
    ]
    for training, adaptation in zip(trainings, adaptations, strict=True):
        assert training.config is not None
        assert training.held not in training.config.scenario
        assert adaptation.base == training
        words = adaptation.line(Path("here"))
        assert words[:2] == ["adapt", f"run=here/{training.name}"]
        assert words[-1] == f"into=here/{adaptation.name}"
        assert {"shots=[2,4]", "draws=2", f"scenario={training.held}"} <= set(words)


def test_a_changed_suite_has_other_folders(suite: Any) -> None:
    def names(**changes: Any) -> set[str]:
        methods = {"none": ["adapter=none"]}
        return {job.name for job in jobs_of(suite(**{"methods": methods, **changes}), tiny_host())}

    before = names()
    assert not before & names(overrides=["experiment=none", "trainer.steps=3"])
    assert before < names(seeds=[0, 1, 2])  # what was run before is not run again
