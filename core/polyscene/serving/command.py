"""``polyscene serve``: a run becomes a service."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile

import torch

from polyscene.errors import ConfigError
from polyscene.feedback import open_log
from polyscene.registry.host import Host
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.keys import read_keys
from polyscene.serving.loading import Starter
from polyscene.serving.startup import Say, keys_path, listen, log_address
from polyscene.training.restore import find_run


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
        # Threads of a library do not survive a fork; workers have one each, and cores are shared by workers.
        torch.set_num_threads(1)
    starter = Starter(config, host, say)
    series = _series_folder(config.workers)

    # After the folder for several workers' series is known: Prometheus' client looks for it when it is imported.
    from polyscene.serving.app import create_app
    from polyscene.serving.workers import Workers, run_one

    def work(parent: int | None = None) -> bool:
        service = starter.service()
        service.open()
        try:
            return run_one(create_app(service, keys), listening, parent)
        finally:
            service.close()

    say(f"Serving version '{starter.version}' at {_address(listening)}")
    if keys is None:
        say("There is no file of keys: requests from this machine alone are answered, and may do everything.")
    try:
        return work() if config.workers == 1 else Workers(config.workers, work).run(starter.let_go)
    finally:
        if series:
            shutil.rmtree(series, ignore_errors=True)


def add_version(config: ServeConfig) -> str:
    """Keep a run as a version of a deployment, without serving it; the version's name.

    Raises:
        ConfigError: no run is given.
        CheckpointError: there is no such run.
    """
    if not config.run:
        raise ConfigError("no run is given", where="polyscene serve --add", fix="give run=RUN")
    return Deployment(config.deployment).adopt(find_run(config.run, config.root), by="polyscene serve --add")


def _series_folder(workers: int) -> str:
    if workers == 1:
        return ""
    folder = tempfile.mkdtemp(prefix="polyscene-series-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    return folder


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
