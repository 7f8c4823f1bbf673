"""``polyscene train``."""

from __future__ import annotations

import click

from polyscene.cli.completion import complete_overrides
from polyscene.cli.names import NOT_CHOSEN, groups


class _TrainCommand(click.Command):
    """Lists the config groups in the help, as installed plugins extend them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Config groups (choose with GROUP=NAME)"):
            formatter.write_dl(
                [(group, ", ".join(names)) for group, names in groups().items() if group not in NOT_CHOSEN]
            )
        super().format_epilog(ctx, formatter)


@click.command(
    cls=_TrainCommand,
    epilog="""\b
Examples:
  polyscene train
  polyscene train scenario=[video,music] adapter=bottleneck seed=1
  polyscene train scenario=[video,music] scenario.video.adapter=film
  polyscene train scenario=video 'adapter={name: stack, adapters: {all: gate, own: film}}'
  polyscene train scenario=video strategy=single trainer.lr=0.003
  polyscene train scenario=video trainer=smoke
  polyscene train -m adapter=none,gate,bottleneck seed=0,1
  polyscene train -m hydra/launcher=joblib hydra.launcher.n_jobs=2 seed=0,1
  polyscene train scenario=video --cfg job""",
)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=complete_overrides)
@click.option("-m", "--multirun", is_flag=True, help="One job for each combination of values with commas between.")
@click.option(
    "-c", "--cfg", type=click.Choice(["job", "hydra", "all"]), help="Print the composed config and stop."
)
@click.option("--resolve", is_flag=True, help="With --cfg: follow references between values.")
@click.option("-p", "--package", metavar="KEY", help="With --cfg: print this part of the config only.")
def train(overrides: tuple[str, ...], multirun: bool, cfg: str | None, resolve: bool, package: str | None) -> int:
    """Train scenarios jointly on one backbone and compare them with baselines.

    Without arguments this is the quickstart: the five built-in scenarios. Arguments change the config: GROUP=NAME
    chooses a part, KEY.OPTION=VALUE sets an option, and 'KEY={...}' replaces all of a key's options.
    """
    if multirun and cfg:
        raise click.UsageError("--multirun and --cfg exclude each other")
    if (resolve or package) and not cfg:
        raise click.UsageError("--resolve and --package need --cfg")
    from polyscene.cli.launch import launch, show_config
    from polyscene.cli.messages import print_broken
    from polyscene.registry.host import load_host

    host = load_host()
    print_broken(host)
    if cfg:
        show_config(overrides, host, cfg, resolve=resolve, package=package)
        return 0
    return launch(overrides, host, multirun=multirun)
