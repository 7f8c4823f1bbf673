"""The command ``polyscene``: its subcommands, and how errors and interrupts end it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence

import click

from polyscene.cli import (
    adapt,
    bench,
    compare,
    completion,
    config,
    data,
    doctor,
    evaluate,
    experiment,
    feedback,
    keys,
    plugins,
    pretrain,
    recommend,
    serve,
    train,
    transfer,
    update,
)
from polyscene.cli.messages import print_error
from polyscene.config.folder import OWN_VARIABLE
from polyscene.errors import PolysceneError
from polyscene.registry import trace
from polyscene.registry.blame import blamed
from polyscene.registry.host import ALLOW_VARIABLE, NO_PLUGINS

USER_ERROR = 2
INTERRUPTED = 130
_YOUNG_OBJECTS = 200_000


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  polyscene train                                  five scenarios, compared with baselines
  polyscene train scenario=video trainer=smoke     a few steps, to see that it runs
  polyscene evaluate run=latest
  polyscene recommend run=latest scenario=video user=42 k=5
  polyscene serve run=latest port=8000
  polyscene update deployment=shop --dry-run
  polyscene transfer scenario=[video,music] trainer=smoke
  polyscene compare runs/A runs/B --sort mean
  polyscene bench quick
  polyscene adapt run=latest scenario=music shots=16
  polyscene pretrain scenario=video trainer.steps=20
  polyscene feedback stats --log feedback.db
  polyscene keys new --scope recommend --name web
  polyscene experiment report ranker --log feedback.db
  polyscene config list
  polyscene data list
  polyscene plugins new podcast
  polyscene doctor""",
)
@click.version_option(package_name="polyscene")
@click.option("--plugins", "allowed", metavar="NAME,NAME", help="Load these plugins only.")
@click.option("--no-plugins", is_flag=True, help="Load no plugin.")
@click.option("--trace", "traced", is_flag=True, help="Say which plugin was asked what.")
@click.option("--conf", metavar="FOLDER", help="Find experiments and other config files of your own in FOLDER.")
def cli(allowed: str | None, no_plugins: bool, traced: bool, conf: str | None) -> None:
    """One pretrained backbone, many recommendation scenarios, each a plugin."""
    # The environment carries the choice on to the processes of a multirun.
    if no_plugins:
        os.environ[ALLOW_VARIABLE] = NO_PLUGINS
    elif allowed is not None:
        os.environ[ALLOW_VARIABLE] = allowed
    if traced:
        os.environ[trace.VARIABLE] = "1"
    if conf is not None:
        os.environ[OWN_VARIABLE] = conf


for _command in (
    train.train,
    evaluate.evaluate,
    recommend.recommend,
    serve.serve,
    update.update,
    update.rollback,
    adapt.adapt,
    transfer.transfer,
    compare.compare,
    bench.bench,
    pretrain.pretrain,
    data.data,
    feedback.feedback,
    keys.keys,
    config.config,
    plugins.plugins,
    experiment.experiment,
    doctor.doctor,
    completion.completion,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0, 2 for a user's mistake, 130 after Ctrl-C."""
    completion.register()
    # Modules and tables live to the end: looking through them again and again for garbage is a tenth of a start.
    gc.set_threshold(_YOUNG_OBJECTS, 30, 30)
    try:
        result = cli.main(args=arguments, prog_name="polyscene", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except PolysceneError as error:
        print_error(error)
        return USER_ERROR
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; let Python not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, SystemExit) as error:
        plugins_error = blamed(error)
        if plugins_error is None:
            raise
        print_error(plugins_error)
        return USER_ERROR
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
