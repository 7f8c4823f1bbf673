"""Which of the five scenarios help each other: models trained on each and on all, tested on each.

    python -m benchmarks.quality.transfer

The figures of ``polyscene transfer`` over three seeds, at 200 steps: the matrix, and for each scenario the joint
model minus the one trained alone, with every adapter and balancer that was tried against a loss. The one that
validation rows choose is marked. A run that was stopped goes on; its heat map is ``report.html`` in its folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.quality.protocols import PLAIN
from benchmarks.quality.seeds import OverSeeds, protocol_of
from benchmarks.quality.suite import SEEDS, default_folder, run_polyscene
from benchmarks.results import write_results

COMMAND = "python -m benchmarks.quality.transfer"
ARGUMENTS = (
    "transfer",
    "scenario=[ecommerce,video,music,social,kg]",
    "trainer.steps=200",
    "trainer.eval_every=50",
    "scenario.social.dataset=lastfm_2k",
    "adapters=[none]",
    "balancers=[upgrad]",
    *PLAIN,
)
METRICS = ("ndcg@10", "mrr")


def rows_of(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of the results file: the figures of every model, and differences from the models trained alone."""
    figures = OverSeeds(COMMAND)
    for row in found["results"]:
        if row["metric"] in METRICS:
            figures.add(
                (protocol_of(row), row["scenario"], row["method"], row["metric"]), row["seed"] or 0, row["value"]
            )
    yield from figures.rows()
    headlines = {column["scenario"]: column["metric"] for column in found["matrix"]["columns"]}
    for entry in found["negative_transfer"]:
        for tried in entry["tried"]:
            difference, chosen = tried["difference"], tried["row"] == entry["chosen"]
            yield {
                "protocol": "trained jointly minus trained alone, seed by seed",
                "scenario": entry["scenario"],
                "method": f"{tried['row']} (chosen on validation: {entry['outcome']})" if chosen else tried["row"],
                "metric": headlines[entry["scenario"]],
                "mean": difference["mean"],
                "std": difference["spread"],
                "seeds": found["seeds"],
                "command": COMMAND,
            }


def main() -> None:
    """Run or continue, print the differences, and write ``results/transfer.json``."""
    arguments = [*ARGUMENTS, f"seeds={list(SEEDS)}"]
    key = hashlib.sha256("\n".join(arguments).encode()).hexdigest()[:12]
    folder = default_folder() / f"transfer-{key}"
    run_polyscene([*arguments, "trainer.threads=1", f"run.dir={folder}"])
    rows = list(rows_of(json.loads((folder / "transfer.json").read_text(encoding="utf-8"))))
    table = Table("scenario", "model", "minus trained alone")
    for row in rows:
        if row["protocol"].startswith("trained jointly"):
            table.add_row(row["scenario"], row["method"], f"{row['mean']:+.4f} ± {row['std']:.4f}")
    console = Console(width=140)
    console.print(table)
    console.print(f"{folder}/report.html", soft_wrap=True)
    console.print(f"written to {write_results('transfer', rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
