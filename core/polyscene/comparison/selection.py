"""Which figures and lines of a comparison are shown, and in which order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from polyscene.comparison.costs import COSTS
from polyscene.comparison.runs import Run
from polyscene.comparison.table import Comparison, Entry
from polyscene.errors import ConfigError, Problems, did_you_mean

OF_COLUMNS = ("scenario", "view", "population")
NAME, MEAN = "name", "mean"
_CONDITION = re.compile(r"([\w./ -]+?)(=|<|>)(.+)")


def with_metrics(comparison: Comparison, metrics: Sequence[str]) -> Comparison:
    """The figures of some metrics; without any named, the first metric of each scenario, view and population.

    Raises:
        ConfigError: no run has such a metric.
    """
    if not metrics:
        first = {(c.scenario, c.view, c.population): c for c in reversed(comparison.columns)}
        kept = set(first.values())
    else:
        known = dict.fromkeys(column.metric for column in comparison.columns)
        for metric in metrics:
            if metric not in known:
                raise ConfigError(f"no run has '{metric}'", where="--metric", fix=did_you_mean(metric, known))
        kept = {column for column in comparison.columns if column.metric in metrics}
    return replace(comparison, columns=[column for column in comparison.columns if column in kept])


def filtered(comparison: Comparison, conditions: Iterable[str]) -> Comparison:
    """What meets all conditions, such as ``scenario=video,music``, ``adapter=m*`` or ``seconds<60``.

    ``scenario``, ``view`` and ``population`` choose figures; ``method``, ``name``, costs and what sets runs apart
    choose lines. A line that a condition does not speak of, such as a count where it asks for an adapter, stays.

    Raises:
        ConfigError: a condition is malformed, speaks of nothing that the runs have, or leaves nothing.
    """
    problems = Problems("--filter")
    columns, entries = comparison.columns, comparison.entries
    settings = dict.fromkeys(key for entry in entries for key in entry.settings)
    known = [*OF_COLUMNS, "method", NAME, *COSTS, *settings]
    for condition in conditions:
        match = _CONDITION.fullmatch(condition)
        key, sign, value = match.groups() if match else ("", "", "")
        if not match:
            problems.add(f"'{condition}' is no condition", fix="write KEY=VALUE,VALUE or COST<NUMBER")
        elif key not in known:
            problems.add(f"'{condition}' speaks of '{key}'", fix=did_you_mean(key, known))
        elif sign != "=" and (key not in COSTS or not _is_number(value)):
            problems.add(f"'{condition}' compares what is no number", fix="< and > go with " + ", ".join(COSTS))
        elif key in OF_COLUMNS:
            columns = [column for column in columns if _matches(getattr(column, key), value)]
        else:
            entries = [entry for entry in entries if _meets(entry, key, sign, value)]
        nothing = not columns or not entries or (key in settings and not any(entry.own for entry in entries))
        if match and nothing and not problems.found:
            problems.add(f"'{condition}' leaves nothing", fix=_there_is(comparison, key))
    problems.raise_if_any(ConfigError)
    entries = [entry for entry in entries if any(column in entry.figures for column in columns)]
    return replace(comparison, columns=columns, entries=entries)


def scenarios_asked(runs: Iterable[Run], conditions: Iterable[str]) -> list[str]:
    """The scenarios that conditions leave, before anything is compared."""
    wanted = [c.partition("=")[2] for c in conditions if c.startswith("scenario=")]
    names = dict.fromkeys(
        path.stem for run in runs for path in sorted((run.folder / "split").glob("*.safetensors"))
    )
    return [name for name in names if all(_matches(name, value) for value in wanted)]


def ordered(comparison: Comparison, by: str) -> Comparison:
    """Lines in order: by ``mean`` or a scenario's headline, best first; by a cost or by ``name``, least first.

    Raises:
        ConfigError: there is nothing of this name.
    """
    if not by:
        return comparison
    by_scenario = {column.scenario: column for column in reversed(comparison.columns)}
    known = [MEAN, NAME, *by_scenario, *COSTS]
    if by not in known:
        raise ConfigError(f"lines cannot be sorted by '{by}'", where="--sort", fix=did_you_mean(by, known))
    if by == NAME:
        return replace(comparison, entries=sorted(comparison.entries, key=lambda entry: entry.label))

    def place(entry: Entry) -> float:
        if by == MEAN:
            value = comparison.mean(entry)
            return math.inf if value is None else -comparison.averaged[0].sign * value
        if by in COSTS:
            return entry.cost.get(by, math.inf)
        value = entry.mean(by_scenario[by])
        return math.inf if value is None else -by_scenario[by].sign * value

    if by == MEAN and not comparison.averaged:
        raise ConfigError(
            "there is no mean: it needs several scenarios with the same metric",
            where="--sort",
            fix=did_you_mean(by, known[1:]),
        )
    return replace(comparison, entries=sorted(comparison.entries, key=place))


def _meets(entry: Entry, key: str, sign: str, value: str) -> bool:
    if key in COSTS:
        cost = entry.cost.get(key)
        if cost is None or sign == "=":
            return cost is None or f"{cost:g}" == value
        return cost < float(value) if sign == "<" else cost > float(value)
    if key in ("method", NAME):
        return _matches(entry.method if key == "method" else entry.label, value)
    return key not in entry.settings or not entry.own or _matches(entry.settings[key], value)


def _matches(text: str, patterns: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns.split(","))


def _there_is(comparison: Comparison, key: str) -> str:
    values: Mapping[str, None] = dict.fromkeys(
        [
            *(getattr(column, key) for column in comparison.columns if key in OF_COLUMNS),
            *(
                entry.method if key == "method" else entry.label
                for entry in comparison.entries
                if key in ("method", NAME)
            ),
            *(entry.settings[key] for entry in comparison.entries if key in entry.settings),
        ]
    )
    return f"there are: {', '.join(values)}" if values else "leave it out"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
