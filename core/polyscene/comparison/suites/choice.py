"""Which suites there are, and which part of one is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from polyscene.comparison.suites.config import SuiteConfig
from polyscene.comparison.suites.files import read_suite, suites
from polyscene.errors import ConfigError, PolysceneError, Problems, did_you_mean
from polyscene.registry.host import Host


def narrowed(suite: SuiteConfig, chosen: Mapping[str, str | None]) -> SuiteConfig:
    """The suite with some of its scenarios, methods, protocols or seeds.

    Args:
        suite: the whole suite.
        chosen: names separated by commas, by field; None for all. Seeds may be others than the suite's.

    Raises:
        ConfigError: a name that the suite does not have.
    """
    problems = Problems("polyscene bench")
    changed: dict[str, Any] = {}
    for field, text in chosen.items():
        if text is None:
            continue
        names, known = [name.strip() for name in text.split(",")], getattr(suite, field)
        if field == "seeds":
            if all(name.isdigit() for name in names):
                changed[field] = list(dict.fromkeys(map(int, names)))
            else:
                problems.add(f"--seeds {text}", fix="give numbers, as in --seeds 0,1")
            continue
        for name in names:
            if name not in known:
                problems.add(f"--{field} names '{name}'", fix=did_you_mean(name, known))
        changed[field] = {name: one for name, one in known.items() if name in names}
    problems.raise_if_any(ConfigError)
    if "methods" in changed and suite.against not in changed["methods"]:
        changed["against"] = ""
    if "methods" in changed:
        left = changed.get("protocols", suite.protocols)
        ours = {label: [name for name in one.methods if name in changed["methods"]] for label, one in left.items()}
        changed["protocols"] = {
            label: replace(one, methods=ours[label])
            for label, one in left.items()
            if ours[label] or not one.methods
        }
    return replace(suite, **changed)


def print_suites(host: Host) -> None:
    """A table of the suites, with their size."""
    table = Table("suite", "what", "runs", title="Suites: polyscene bench NAME", title_justify="left")
    for name in suites(host):
        try:
            suite = read_suite(name, host)
        except PolysceneError as error:
            table.add_row(name, f"cannot be used: {error.what}", "")
            continue
        sizes = (suite.scenarios, suite.protocols, suite.methods, suite.seeds)
        table.add_row(name, suite.title, " x ".join(str(len(one)) for one in sizes))
    Console().print(table)
    Console().print("runs: groups of scenarios x protocols x methods x seeds")
