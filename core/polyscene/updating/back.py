"""``polyscene rollback``: the version that served before serves again."""

from __future__ import annotations

from pathlib import Path

from polyscene.errors import ServingError
from polyscene.serving.deployment import Deployment
from polyscene.updating.config import RollbackConfig


def roll_back(config: RollbackConfig) -> str:
    """Go back one version; what to tell about it.

    Raises:
        ServingError: there is no such deployment, or no version served before.
    """
    if not Path(config.deployment).is_dir():
        raise ServingError("there is no such folder", where=config.deployment, fix="give deployment=FOLDER")
    deployment = Deployment(config.deployment)
    before = deployment.promoted()
    now = deployment.roll_back(by="polyscene rollback", why=config.why)
    assert before is not None
    return f"Version '{now.version}' serves again in place of '{before.version}'."
