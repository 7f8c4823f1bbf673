"""``polyscene transfer``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_transfer


@click.command(
    epilog="""\b
Examples:
  polyscene transfer
  polyscene transfer scenario=[video,music] seeds=[0,1] trainer=smoke
  polyscene transfer scenario=[video,kg] adapters=[none,gate,bottleneck] balancers=[]
  polyscene transfer scenario=[video,music] "adapters=[{name: bottleneck, rank: 32}]" trainer.steps=500
  polyscene transfer scenario=[video,music] run.dir=runs/transfer"""
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_transfer)
def transfer(overrides: tuple[str, ...]) -> None:
    """Train on each scenario and on all, test on each: the transfer matrix and the negative-transfer report.

    Every model holds all scenarios and learns one of them, or all; each is trained with every seed of SEEDS. The
    joint model is trained again with other ADAPTERS and BALANCERS, to see which of them mends a scenario that does
    worse in it than alone. Arguments are those of polyscene train, and seeds=[...], adapters=[...],
    balancers=[...].

    The results of each model are written when it is finished, transfer.json and report.html after each seed: an
    interrupted run goes on with run.dir=DIR and the same arguments.
    """
    from polyscene.cli.messages import print_broken
    from polyscene.config.transfer import prepare_transfer
    from polyscene.registry.host import load_host

    host = load_host()
    print_broken(host)
    config = prepare_transfer(overrides, host)

    from polyscene.evaluation.transfer.run import transfer as run_transfer

    run_transfer(config, host)
