"""The base of an update: the version that serves, and what the log has to say to it."""

from __future__ import annotations

from polyscene.errors import ConfigError
from polyscene.serving.config import ServeConfig
from polyscene.serving.counting import read_update
from polyscene.serving.deployment import Deployment
from polyscene.serving.startup import Say, choose_version
from polyscene.training.restore import find_run
from polyscene.updating.config import UpdateConfig


def serving(config: UpdateConfig) -> ServeConfig:
    """The same places, as a server has them."""
    return ServeConfig(
        run=config.run,
        deployment=config.deployment,
        feedback=config.feedback,
        device=config.device,
        data=config.data,
        root=config.root,
        texts=False,
    )


def base_version(deployment: Deployment, config: UpdateConfig, say: Say) -> str:
    """The version to learn from: the promoted one, or where there is none the run, which is promoted then.

    Raises:
        ConfigError: the promoted version does not go back to the run that is given.
        PolysceneError: nothing is promoted, and no run is given.
    """
    promoted = deployment.promoted()
    if promoted is None:
        if config.dry_run and config.run:
            raise ConfigError(
                "nothing is promoted here, and a dry run promotes nothing",
                where=str(deployment.folder),
                fix="begin without --dry-run, or serve the run first",
            )
        return choose_version(deployment, serving(config), say)
    if config.run:
        root = read_update(deployment.path_of(promoted.version)).get("root") or promoted.version
        if deployment.version_of(find_run(config.run, config.root)) not in (root, promoted.version):
            raise ConfigError(
                f"the deployment serves '{promoted.version}', which does not go back to run={config.run}",
                where=str(deployment.folder),
                fix="leave run out to update what serves, or promote the run first: polyscene serve run=RUN "
                "promote=true",
            )
    return promoted.version
