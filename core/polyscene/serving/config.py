"""The options of ``polyscene serve``."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyscene.config.schema import DataConfig
from polyscene.config.validate import bounded
from polyscene.errors import ConfigError
from polyscene.retrieval import RetrievalConfig

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass
class LimitsConfig:
    """What one server takes at most; the rest is refused, with the reason and how long to wait."""

    rate: float = bounded(200.0, at_least=0)
    """Requests a second that one key may make in the long run, over all workers; 0 does not limit."""
    burst: int = bounded(400, at_least=1)
    """Requests that one key may make at once."""
    body: int = bounded(1_000_000, at_least=1000)
    """Bytes of a request's body."""
    seconds: float = bounded(10.0, at_least=0.1)
    """Seconds in which a body must have arrived."""
    waiting: int = bounded(256, at_least=1)
    """Requests that may wait for the model in one worker; those beyond it are told to come back."""
    batch: int = bounded(64, at_least=1)
    """Requests that share one forward of the model at most."""
    events: int = bounded(10_000, at_least=1)
    """Events that may wait to be written in one worker."""


@dataclass
class ServeConfig:
    """``polyscene serve``: a trained run as a service."""

    run: str = ""
    """A run directory, or ``latest``; empty serves what the deployment promoted last."""
    deployment: str = "deployment"
    """Folder with the versions, the one that is promoted, the feedback log, items that arrived, the audit, and in
    ``config.json`` the policies and experiments."""
    host: str = "127.0.0.1"
    """Address to listen on; others than this machine's own need a file of keys."""
    port: int = bounded(8000, at_least=0, at_most=65535)
    """Port to listen on; 0 takes a free one and says which."""
    workers: int = bounded(1, at_least=1, at_most=64)
    """Processes that answer; they hold a version in memory once, also after an exchange."""
    keys: str = ""
    """File of API keys, made by ``polyscene keys``; empty takes the deployment's ``keys.json``, if it exists."""
    feedback: str = ""
    """The feedback log: a path or ``postgresql://USER@HOST/NAME``; empty is the deployment's ``feedback.db``."""
    promote: bool = False
    """Serve ``run`` even if the deployment has promoted another version before."""
    beside: str = ""
    """A version, by its name, that the page compares with the promoted one; it takes memory of its own."""
    texts: bool = True
    """Load the backbone at the start; else the first request with a text loads it, and all wait meanwhile."""
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    device: str = "auto"
    """Device: ``auto``, ``cpu``, ``cuda``."""
    data: DataConfig = field(default_factory=DataConfig)
    root: str = "runs"
    """Folder that ``latest`` looks in."""

    def __post_init__(self) -> None:
        if self.workers > 1 and self.device.startswith("cuda"):
            raise ConfigError(
                f"{self.workers} workers cannot share one GPU's memory",
                where="workers",
                fix="use workers=1 on a GPU, or device=cpu",
            )
        if self.promote and not self.run:
            raise ConfigError("promote=true names no run", where="promote", fix="give run=RUN")
