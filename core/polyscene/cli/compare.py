"""``polyscene compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(
    epilog="""\b
Examples:
  polyscene compare runs
  polyscene compare runs/SWEEP --sort mean --against adapter=none
  polyscene compare runs/A runs/B --metric recall@10 --filter scenario=video
  polyscene compare runs/SWEEP --filter adapter=gate,m* --filter 'seconds<60'
  polyscene compare runs/SWEEP --latex table.tex --csv -"""
)
@click.argument("places", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN|SWEEP...")
@click.option("--sort", metavar="WHAT", default="", help="mean, a scenario, name, or a cost; best or least first.")
@click.option(
    "--filter", "conditions", metavar="CONDITION", multiple=True, help="KEY=VALUE,... or COST<NUMBER; see below."
)
@click.option(
    "--metric", "metrics", metavar="NAME", multiple=True, help="These metrics instead of the first of each."
)
@click.option(
    "--against", metavar="LINE", default="", help="Test the others against this line (default: the first)."
)
@click.option("--csv", metavar="FILE", help="Write every figure and p-value; - prints it.")
@click.option("--markdown", metavar="FILE", help="Write the table as Markdown; - prints it.")
@click.option("--latex", metavar="FILE", help="Write the table as LaTeX; - prints it.")
@click.option(
    "--into", type=click.Path(path_type=Path), help="Folder of the page (default: comparison beside the runs)."
)
def compare(places: tuple[Path, ...], **options: Any) -> None:
    """Compare finished runs, or all runs of a sweep: figures with their spread, tests, and costs.

    Runs that differ in their seed only are one line, named by what sets it apart; controls have lines of their
    own. Two paired tests say whether a difference is more than chance: over seeds (would another seed say the
    same?) and over single requests (would other users?). A page with all figures, parallel coordinates and
    learning curves is written beside the runs. Runs that were tested on other rows are refused.

    CONDITIONS: scenario, view and population choose figures; method, name, the config keys that set runs apart,
    and costs (seconds, memory, parameters, adapter_size, forwards) choose lines. VALUES may have * and ?.
    """
    from polyscene.comparison.command import compare_runs

    exports = {kind: place for kind in ("csv", "markdown", "latex") if (place := options.pop(kind))}
    compare_runs(places, exports=exports, **options)
