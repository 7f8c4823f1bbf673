"""``polyscene bench``."""

from __future__ import annotations

from pathlib import Path

import click

from polyscene.cli.completion import complete_names


@click.command(
    epilog="""\b
Examples:
  polyscene bench                                  the suites that there are
  polyscene bench quick
  polyscene bench quick trainer=smoke --seeds 0
  polyscene bench departments --methods none,star --jobs 2
  polyscene bench my_suite.yaml --into runs/mine"""
)
@click.argument("suite", required=False, shell_complete=complete_names("suite"))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--scenarios", metavar="NAME,...", help="These groups of scenarios only.")
@click.option("--methods", metavar="NAME,...", help="These methods only.")
@click.option("--protocols", metavar="NAME,...", help="These protocols only.")
@click.option("--seeds", metavar="SEED,...", help="These seeds instead of the suite's.")
@click.option(
    "--jobs", "workers", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at a time."
)
@click.option("--into", type=click.Path(path_type=Path), help="Folder of the runs (default: runs/bench-SUITE).")
def bench(
    suite: str | None, overrides: tuple[str, ...], workers: int, into: Path | None, **chosen: str | None
) -> None:
    """Run a SUITE: scenarios x methods x protocols x seeds, compared on one page.

    SUITE is a name that polyscene bench lists, or a YAML file of your own (conf/suite has examples). OVERRIDES
    change every training. All runs are checked before the first one starts. What is finished is kept: the same
    command goes on where it was stopped, and tries again what failed.
    """
    from polyscene.cli.messages import print_broken
    from polyscene.comparison.suites.choice import narrowed, print_suites
    from polyscene.comparison.suites.files import read_suite
    from polyscene.registry.host import load_host

    host = load_host()
    print_broken(host)
    if suite is None:
        print_suites(host)
        return
    config = narrowed(read_suite(suite, host), chosen)

    from polyscene.comparison.suites.run import run_suite

    folder = into or Path("runs") / f"bench-{Path(suite).stem}"
    run_suite(config, folder, host, further=overrides, workers=workers)
