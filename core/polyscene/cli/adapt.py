"""``polyscene adapt``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_run


@click.command(
    epilog="""\b
Examples:
  polyscene adapt run=latest scenario=music
  polyscene adapt run=latest scenario=music shots=64 learn.steps=30 into=runs/with-music
  polyscene adapt run=latest scenario=music shots=[1,16,64] draws=3
  polyscene adapt run=latest scenario=music shots=all controls=[]
  polyscene adapt run=latest scenario=music scenario.music.max_history=20"""
)
@click.argument("arguments", nargs=-1, metavar="run=RUN scenario=NAME [KEY=VALUE]...", shell_complete=complete_run)
def adapt(arguments: tuple[str, ...]) -> None:
    """Add a scenario that a trained RUN never saw, from a few labelled rows, and write a new run.

    SHOTS rows of the scenario are labelled (a number, all, or several as in [1,16,64]): they are drawn at random,
    learned from and counted; what their users did before is context. The scenario's adapter and task are trained,
    and its encoders where there are enough rows (learn.encoders_from); its place in the router is fitted to the
    shots against rows that the run remembers of its scenarios. Everything else stays, so that other scenarios get
    what they got, bit for bit. No other scenario's data is needed.

    Beside the adapted model stand the start without adaptation, the same model trained from scratch on the same
    rows, and popularity counted on them; with several DRAWS all have a spread. The new run can be evaluated,
    recommended from, and adapted again. It keeps the model of the largest number of shots and the first draw.

    Keys: run (a directory, or latest), scenario and its options, shots, draws, controls (no_adaptation, scratch,
    popularity), learn.steps, learn.lr, learn.weight_decay, learn.pull, learn.encoders_from, learn.batch,
    device, threads, into (folder of the new run), root, data.root, data.cache, data.offline.
    """
    from polyscene.cli.messages import print_broken
    from polyscene.config.adapt import prepare_adapt
    from polyscene.registry.host import load_host

    host = load_host()
    print_broken(host)
    config = prepare_adapt(arguments, host)

    from polyscene.training.adapt.run import adapt as adapt_run

    adapt_run(config, host)
