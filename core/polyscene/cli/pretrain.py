"""``polyscene pretrain``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_overrides


@click.command(
    epilog="""\b
Examples:
  polyscene pretrain
  polyscene pretrain scenario=[video,music] tune=lora
  polyscene pretrain scenario=video trainer.steps=20 head_steps=10
  polyscene pretrain trainer.steps=2000 trainer.precision=bf16-mixed trainer.accumulate=4
  polyscene pretrain run.dir=runs/texts
  polyscene train backbone.model=runs/texts/backbone"""
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_overrides)
def pretrain(overrides: tuple[str, ...]) -> None:
    """Train the backbone further on the scenarios' own texts, by guessing hidden words.

    The texts are those of items and users in training rows; no interaction is learned from. Held-out texts tell
    the perplexity before and after, and the vectors are asked to find texts and items before and after: a backbone
    that speaks the scenarios' language better may still retrieve worse, and the report says so.

    The result is RUN/backbone, a folder for backbone.model=. Arguments are those of polyscene train, without what
    stands above the backbone, and tune (full, lora), rank, alpha, mask, held_out, head_steps and head_lr. An
    interrupted run goes on with run.dir=DIR and the same arguments.
    """
    from polyscene.cli.messages import print_broken
    from polyscene.config.pretrain import prepare_pretrain
    from polyscene.registry.host import load_host

    host = load_host()
    print_broken(host)
    config = prepare_pretrain(overrides, host)

    from polyscene.training.pretraining import pretrain as run_pretrain

    run_pretrain(config, host)
