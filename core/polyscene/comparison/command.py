"""What ``polyscene compare`` does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from polyscene.comparison.against import set_against
from polyscene.comparison.export import FORMATS, write_export
from polyscene.comparison.gather import compare
from polyscene.comparison.page import Part, write_comparison
from polyscene.comparison.runs import find_runs
from polyscene.comparison.same_rows import check_same_rows
from polyscene.comparison.selection import filtered, ordered, scenarios_asked, with_metrics
from polyscene.comparison.terminal import print_comparison

FOLDER = "comparison"
STANDARD_OUTPUT = "-"


def compare_runs(
    places: Sequence[Path],
    *,
    sort: str = "",
    conditions: Sequence[str] = (),
    metrics: Sequence[str] = (),
    against: str = "",
    into: Path | None = None,
    exports: Mapping[str, str] | None = None,
) -> Path:
    """Print a comparison, write its page and exports, and return the page's path.

    Args:
        places: directories of runs or sweeps.
        sort: what lines are sorted by; empty keeps the order of the runs.
        conditions: which figures and lines are shown.
        metrics: which metrics; the first of each scenario, view and population if empty.
        against: the line that others are tested against; the first if empty.
        into: folder of the page.
        exports: files by format (``csv``, ``markdown``, ``latex``), ``-`` for standard output.

    Raises:
        PolysceneError: for everything that a user can mend.
    """
    found = find_runs(places)
    check_same_rows(found.runs, scenarios_asked(found.runs, conditions))
    shown = filtered(with_metrics(compare(found.runs, found.unfinished), metrics), conditions)
    shown = ordered(set_against(shown, against), sort)
    texts = {kind: FORMATS[kind](shown) for kind in exports or {}}
    printed = [kind for kind, place in (exports or {}).items() if place == STANDARD_OUTPUT]
    # What is printed for programs stands alone on standard output.
    console = Console(stderr=bool(printed))
    print_comparison(shown, console)
    folder = into or Path(os.path.commonpath([place.resolve() for place in places])) / FOLDER
    page = write_comparison(folder, [Part("", shown)], failed=shown.unfinished)
    for kind, place in (exports or {}).items():
        if place == STANDARD_OUTPUT:
            print(texts[kind], end="")
        else:
            write_export(Path(place), texts[kind])
            console.print(f"{kind}: {place}", soft_wrap=True, highlight=False)
    console.print(f"Page: {page}", soft_wrap=True, highlight=False)
    return page
