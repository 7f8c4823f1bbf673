"""The service on a Ray cluster: each replica is what a worker of ``polyscene serve`` is on one machine.

Ray imports :func:`app`, as `polyscene serve --ray` says in the deployment file that it prints.
"""

# Ray is an extra of its own, which is not there where types are checked.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from polyscene.config.arguments import from_arguments
from polyscene.registry.host import load_host
from polyscene.serving.app import create_app
from polyscene.serving.config import ServeConfig
from polyscene.serving.keys import KeyFile, read_keys
from polyscene.serving.loading import Starter

_LOG = logging.getLogger(__name__)


@serve.deployment(max_ongoing_requests=256, health_check_timeout_s=60)
@serve.ingress()
class Replica:
    """One process that answers.

    Args:
        arguments: as of :func:`app`.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        config, self.keys = _read(arguments)
        starter = Starter(config, load_host(), _LOG.warning)
        self.service = starter.service()
        self.service.open()
        _LOG.info("serving version '%s'", starter.version)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """What Ray asks for once the replica is made."""
        return create_app(self.service, self.keys)

    def __del__(self) -> None:
        if hasattr(self, "service"):
            self.service.close()


def app(arguments: Mapping[str, Any]) -> Application:
    """The application that Ray deploys.

    Args:
        arguments: keys of :class:`polyscene.serving.config.ServeConfig` with their values; ``workers`` is how many
            replicas there are. Where to listen is for Ray's own file to say.

    Raises:
        PolysceneError: a key or value is wrong, or there is no file of API keys.
    """
    config, _ = _read(arguments)
    return Replica.options(num_replicas=config.workers).bind(dict(arguments))


def _read(arguments: Mapping[str, Any]) -> tuple[ServeConfig, KeyFile]:
    given = [f"{key}={value}" for key, value in arguments.items()]
    config = from_arguments(ServeConfig, given, where="args of the Ray application", example="deployment: shop")
    # A cluster is reached from other machines, so there must be keys.
    return config, read_keys(Path(config.keys or Path(config.deployment) / "keys.json"))
