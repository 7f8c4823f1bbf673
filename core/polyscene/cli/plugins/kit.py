"""The conformance kit's test classes for what a plugin brings."""

from __future__ import annotations

import dataclasses
import importlib

from polyscene.cli.plugins.running import run_tests
from polyscene.cli.plugins.verdict import Verdict
from polyscene.data.columns import Category, Column, Id, Number, Tags, Text, Timestamp
from polyscene.registry.components import Component
from polyscene.registry.host import Host
from polyscene.registry.manager import describe
from polyscene.registry.records import PluginRecord
from polyscene.testing import PriorSuite, ScenarioSuite, suite_of
from polyscene.testing.suites import SUITES

# Columns of the table that encoders are tested on, by kind.
_TESTED = {Text: "text", Category: "brand", Tags: "tags", Number: "price", Timestamp: "timestamp", Id: ""}


def check_suites(record: PluginRecord, host: Host, verdict: Verdict) -> None:
    """Run the tests of everything that a plugin brings."""
    suites, notes = _suites(record, host)
    with verdict.console.status("running tests"):
        found = run_tests(suites, record.module)
    for what, findings in found.items():
        verdict.add(f"{what}: {findings.passed} tests pass")
        for why in dict.fromkeys(findings.failed.values()):
            tests = [test for test, reason in findings.failed.items() if reason == why]
            others = f" (and {len(tests) - 1} other tests)" if len(tests) > 1 else ""
            verdict.add(f"{what}: {tests[0]}{others}", why)
        for why in dict.fromkeys(findings.skipped.values()):
            verdict.note(f"{what}: left out {len(findings.skipped)} tests: {why}")
    for note in notes:
        verdict.note(note)


def _suites(record: PluginRecord, host: Host) -> tuple[dict[str, type], list[str]]:
    """Test classes for what a plugin brings, by ``kind/name``, and why there are none for the rest of it."""
    suites: dict[str, type] = {}
    notes: list[str] = []
    for name in record.scenarios:
        values = {"plugin": importlib.import_module(record.module), "scenario": name}
        suites[f"scenario/{name}"] = type("TestScenario", (ScenarioSuite,), values)
    for what in record.components:
        component = host.component(*what.split("/"))
        if component.kind not in SUITES:
            notes.append(f"{what}: there are no common tests of its kind")
        elif component.kind == "encoder":
            column = _column(component.name, record, host)
            suite = suite_of(component, column=column or Column("text", encoder=component.name))
            lacks = _lacks(suite) if column else ""
            if lacks:
                notes.append(f"{what}: tested with its scenario only, as it reads more than a column: {lacks}")
            else:
                suites[what] = suite
        elif component.kind == "prior" and (lacks := _unreadable(component)):
            notes.append(f"{what}: a test of yours has to say what it reads (PriorSuite): {lacks}")
        else:
            suites[what] = suite_of(component)
    if "polyscene_enrich" in record.hooks:
        notes.append("polyscene_enrich: a test of yours has to say whose items it enriches (EnricherSuite)")
    return suites, notes


def _column(encoder: str, record: PluginRecord, host: Host) -> Column | None:
    """A column as the plugin's own scenarios declare it for this encoder, on the table of the tests."""
    for scenario in (host.scenarios[name] for name in record.scenarios):
        for column in (*scenario.item_columns, *scenario.user_columns, *scenario.event_columns):
            if column.encoder_name == encoder:
                return dataclasses.replace(column, name=_TESTED.get(type(column), "text"))
    return None


def _unreadable(component: Component) -> str:
    """What a prior misses in the histories of the tests, where it can read none of them and says what would do."""
    suite = suite_of(component)()
    assert isinstance(suite, PriorSuite)
    try:
        lacks = suite.lacking()
    except Exception:
        return ""  # its tests will show that
    told = [error.what for error in lacks.values() if error.fix]
    return told[0] if len(told) == len(suite.kinds()) else ""


def _lacks(suite: type) -> str:
    """Why an encoder cannot be fitted on the table of the tests, if it cannot."""
    try:
        suite().fitted()
    except Exception as error:
        return describe(error)
    return ""
