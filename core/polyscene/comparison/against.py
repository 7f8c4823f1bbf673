"""Sets every line of a table against one of them."""

from __future__ import annotations

from dataclasses import replace

from polyscene.comparison.significance import PairedTest, adjusted, paired
from polyscene.comparison.table import Column, Comparison
from polyscene.errors import ConfigError, did_you_mean


def set_against(comparison: Comparison, label: str = "") -> Comparison:
    """The comparison with a test of every line against one of them, the first unless it is named.

    Raises:
        ConfigError: there is no such line.
    """
    by_label = {entry.label: entry for entry in comparison.entries}
    label = label or next(iter(by_label), "")
    if by_label and label not in by_label:
        raise ConfigError(
            f"there is no line called '{label}'", where="--against", fix=did_you_mean(label, by_label)
        )
    found: dict[tuple[str, Column], PairedTest] = {}
    for entry in comparison.entries:
        for column in comparison.columns if entry.label != label else ():
            base = by_label[label]
            requests = entry.requests.get(column, {}), base.requests.get(column, {})
            test = paired(entry.figures.get(column, {}), base.figures.get(column, {}), requests)
            if test is not None:
                found[entry.label, column] = test
    tests = dict(zip(found, adjusted(list(found.values())), strict=True))
    return replace(comparison, reference=label, tests=tests)
