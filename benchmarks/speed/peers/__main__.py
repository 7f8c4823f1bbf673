"""The engine beside other libraries: same rows, equal size, in turns, on one thread.

    python -m benchmarks.speed.peers                      # all parts, each into results/peers_PART.json
    python -m benchmarks.speed.peers rechub classical     # some parts
    python -m benchmarks.speed.peers rechub --quick       # does it work? Nothing is written

rechub: torch-rechub's SharedBottom, MMoE and PLE as three domains of MovieLens-1M (5 minutes)
recbole: RecBole's SASRec on MovieLens-1M (6 minutes)
classical: implicit's and LensKit's ALS and item-kNN on MovieLens-1M (4 minutes)
peft: plain peft around MiniLM, training and mixed serving (2 minutes)

Peers live in environments of their own, made with pip when they are first asked for, in a folder of the cache
(POLYSCENE_CACHE). A peer that cannot be installed gives a row that says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks.results import write_results
from benchmarks.speed.peers import classical, plain_peft, recbole, rechub
from benchmarks.speed.peers.rows import Rows

PARTS: dict[str, Callable[[bool], Rows]] = {
    "rechub": rechub.measure,
    "recbole": recbole.measure,
    "classical": classical.measure,
    "peft": plain_peft.measure,
}


def main() -> None:
    """Measure, print, and write a file for each part that was measured whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if none is named")
    parser.add_argument("--quick", action="store_true", help="short, on few turns; nothing is written")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        found = PARTS[part](given.quick)
        show(found)
        if not given.quick:
            print(f"written to {write_results(f'peers_{part}', found.rows)}; now run python -m benchmarks.render")


def show(found: Rows) -> None:
    """One line per figure."""
    table = Table("what", "method", "figure", "median", "spread", title=found.protocol)
    for row in found.rows:
        spread = "" if row["std"] is None else f"{row['std']:.3g}"
        table.add_row(row["scenario"], row["method"], row["metric"], f"{row['mean']:,.4g}", spread)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
