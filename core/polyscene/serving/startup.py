"""Starting: which version serves, loaded from its deployment, behind an address."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path

from polyscene.errors import CheckpointError, ConfigError, PolysceneError, ServingError
from polyscene.experiments.plan import Plan
from polyscene.registry.host import Host
from polyscene.serving.arrivals import Arrivals
from polyscene.serving.choices import Choices
from polyscene.serving.config import LOOPBACK, ServeConfig
from polyscene.serving.counting import count_feedback
from polyscene.serving.deployment import Deployment
from polyscene.serving.engine import Engine
from polyscene.serving.live import take_items, warm
from polyscene.serving.sharing import share_tensors
from polyscene.training.restore import find_run, restore

_LOG = logging.getLogger(__name__)
SHARED = "shared"
"""Folder in a deployment for what several workers hold in memory once, by version; it may be deleted."""
_BY = "polyscene serve"
Say = Callable[[str], None]


def choose_version(deployment: Deployment, config: ServeConfig, say: Say) -> str:
    """The version to serve: the promoted one, or ``run`` where none is, or where that is to be promoted.

    Raises:
        PolysceneError: there is neither a promoted version nor a run.
    """
    promoted = deployment.promoted()
    if not config.run:
        if promoted is None:
            raise CheckpointError(
                "no version was promoted here, and no run is given",
                where=str(deployment.folder),
                fix="give run=RUN",
            )
        return promoted.version
    version = deployment.adopt(find_run(config.run, config.root), by=_BY)
    if promoted is None or config.promote:
        return deployment.promote(version, by=_BY).version
    if promoted.version != version:
        say(
            f"This deployment serves version '{promoted.version}'; run={config.run} is its version '{version}', "
            "which waits to be promoted (promote=true, or POST /v1/models/promote)."
        )
    return promoted.version


def loader(deployment: Deployment, config: ServeConfig, host: Host, plan: Plan) -> Callable[[str], Choices]:
    """What loads a version, ready to answer, with what chooses in front of it."""

    def load(version: str) -> Choices:
        engine, item_cursor = load_engine(deployment, version, config, host)
        warm(engine, texts=config.texts)
        if config.workers > 1:
            try:
                share_tensors(engine, deployment.folder / SHARED / version)
            except ServingError as error:  # it costs memory, and answers are the same
                _LOG.warning("workers hold tensors of their own: %s", error)
        return Choices(plan, host.registry, engine, item_cursor=item_cursor)

    return load


def load_engine(deployment: Deployment, version: str, config: ServeConfig, host: Host) -> tuple[Engine, int]:
    """The engine of a version, with the items that arrived and the feedback that the version counts.

    Returns:
        The engine, and how far it has taken in what arrived.

    Raises:
        PolysceneError: the version cannot be loaded, or what it counts cannot be read.
    """
    path = deployment.path_of(version)
    run = restore(str(path), host, root=config.root, data=config.data, device=config.device)
    engine = Engine.of_run(run, version=version, retrieval=config.retrieval)
    # Before what they got is counted.
    item_cursor, _ = take_items(engine, Arrivals(deployment), 0)
    count_feedback(engine, path, log_address(config))
    return engine, item_cursor


def load_promoted(
    deployment: Deployment, config: ServeConfig, load: Callable[[str], Choices], say: Say
) -> Choices:
    """What to start with: the version to serve, or where it cannot be loaded the last that can.

    Raises:
        PolysceneError: none can be loaded; what is wrong with the first.
    """
    version = choose_version(deployment, config, say)
    try:
        return load(version)
    except PolysceneError as error:
        promoted = deployment.promoted()
        for earlier in reversed(promoted.before if promoted else ()):
            say(f"Version '{version}' cannot be loaded: {error}")
            try:
                found = load(earlier)
            except PolysceneError:
                continue
            say(f"Going on with version '{earlier}', which was promoted before it.")
            with deployment.locked():
                deployment.audit.note("refuse", by=_BY, version=version, why=error.what)
            return found
        raise


def load_others(
    plan: Plan, config: ServeConfig, load: Callable[[str], Choices], say: Say
) -> tuple[Plan, dict[str, Choices], list[str]]:
    """The versions that arms of experiments and the page name, beside the promoted one.

    An experiment with a version that cannot be loaded does not run, and the service does.

    Returns:
        The plan that can be followed, the versions by name, and what is left out of the plan and why.

    Raises:
        PolysceneError: the version for the page cannot be loaded.
    """
    found = {config.beside: load(config.beside)} if config.beside else {}
    failed = {}
    for version in plan.versions():
        try:
            found[version] = found.get(version) or load(version)
        except PolysceneError as error:
            failed[version] = error.what
    left = plan.without(failed)
    reasons = "; ".join(failed.values())
    problems = [
        f"experiment '{name}' does not run, as a version of it cannot be loaded: {reasons}"
        for name in plan.experiments
        if name not in left.experiments
    ]
    for problem in problems:
        say(problem)
    return (
        left,
        {version: one for version, one in found.items() if version in (config.beside, *left.versions())},
        problems,
    )


def log_address(config: ServeConfig) -> str:
    """Where the feedback log is."""
    return config.feedback or str(Path(config.deployment) / "feedback.db")


def keys_path(config: ServeConfig) -> Path | None:
    """The file of keys; None where there is none and only this machine is served.

    Raises:
        ConfigError: the address can be reached from elsewhere, and there are no keys.
    """
    path = Path(config.keys) if config.keys else Path(config.deployment) / "keys.json"
    if path.exists() or config.keys:
        return path
    if config.host not in LOOPBACK:
        raise ConfigError(
            f"host={config.host} can be reached from other machines, and there are no keys",
            where=str(path),
            fix="make one: polyscene keys new --scope recommend; or use host=127.0.0.1",
        )
    return None


def listen(config: ServeConfig) -> socket.socket:
    """A socket at the address, not yet answering.

    Raises:
        ConfigError: the address is taken, or not one of this machine.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((config.host, config.port))
    except OSError as error:
        opened.close()
        raise ConfigError(
            f"cannot listen there: {error.strerror or error}",
            where=f"{config.host}:{config.port}",
            fix="end what listens there, or give another port=NUMBER (0 takes a free one)",
        ) from None
    opened.set_inheritable(True)
    return opened
