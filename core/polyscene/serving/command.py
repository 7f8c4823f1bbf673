"""``polyscene serve``: a run becomes a service."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from polyscene.errors import ConfigError
from polyscene.feedback import open_log
from polyscene.registry.host import Host
from polyscene.serving.config import ServeConfig
from polyscene.serving.control import Control
from polyscene.serving.deployment import Deployment
from polyscene.serving.keys import KeyFile, read_keys
from polyscene.serving.loading import Starter
from polyscene.serving.startup import Say, keys_path, listen, log_address
from polyscene.training.restore import find_run

if TYPE_CHECKING:
    from polyscene.serving.service import Service


def serve(config: ServeConfig, host: Host, say: Say) -> bool:
    """Load the version that is promoted, and answer until told to stop; whether all went well.

    Args:
        config: the options.
        host: the plugins.
        say: tells who started it.

    Raises:
        PolysceneError: no version can be loaded, the address is taken, there must be keys and are none.
    """
    path = keys_path(config)
    keys = None if path is None else read_keys(path)
    Deployment(config.deployment)
    # Before anything is loaded, what is wrong is said at once.
    open_log(log_address(config)).close()
    listening = listen(config)
    if config.workers > 1:
        return _serve_with_workers(config, host, say, keys, listening)
    starter = Starter(config, host, say)
    _begun(say, listening, keys)(starter.version)
    return _answer(starter.service(), keys, listening)


def _serve_with_workers(
    config: ServeConfig, host: Host, say: Say, keys: KeyFile | None, listening: socket.socket
) -> bool:
    # Threads of a library do not survive a fork; workers have one each, and cores are shared by workers.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="polyscene-workers-") as folder:
        # Before it is imported: Prometheus' client looks then for the folder of several workers' series.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from polyscene.serving.generations import Generations

        control = Control(Path(folder) / "control")

        def work(starter: Starter, parent: int, answers: Callable[[], None]) -> bool:
            return _answer(starter.service(control), keys, listening, parent=parent, started=answers)

        return Generations(config, host, control, work, say).run(_begun(say, listening, keys))


def _answer(service: Service, keys: KeyFile | None, listening: socket.socket, **options: Any) -> bool:
    from polyscene.serving.answering import answer
    from polyscene.serving.app import create_app

    service.open()
    try:
        return answer(create_app(service, keys), listening, **options)
    finally:
        service.close()


def _begun(say: Say, listening: socket.socket, keys: KeyFile | None) -> Callable[[str], None]:
    """What says that a version is served, and where."""

    def begun(version: str) -> None:
        say(f"Serving version '{version}' at {_address(listening)}")
        if keys is None:
            say("There is no file of keys: requests from this machine alone are answered, and may do everything.")

    return begun


def add_version(config: ServeConfig) -> str:
    """Keep a run as a version of a deployment, without serving it; the version's name.

    Raises:
        ConfigError: no run is given.
        CheckpointError: there is no such run.
    """
    if not config.run:
        raise ConfigError("no run is given", where="polyscene serve --add", fix="give run=RUN")
    return Deployment(config.deployment).adopt(find_run(config.run, config.root), by="polyscene serve --add")


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
