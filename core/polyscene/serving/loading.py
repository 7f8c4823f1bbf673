"""What a process loads before it answers, once, also for workers that are forked from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from polyscene.experiments.plan import FILE, Plan, check_scenarios, read_plan
from polyscene.registry.host import Host
from polyscene.serving.choices import Choices
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.startup import Say, load_others, load_promoted, loader
from polyscene.training.memory import give_back_freed_memory

if TYPE_CHECKING:
    from polyscene.serving.service import Service


class Starter:
    """Makes services of what is promoted when it is built, each in a process of its own.

    Args:
        config: the options.
        host: the plugins.
        say: tells who started it.

    Attributes:
        version: the version that is loaded first.

    Raises:
        PolysceneError: no version can be loaded, or the plan of experiments is wrong.
    """

    def __init__(self, config: ServeConfig, host: Host, say: Say) -> None:
        self._config, self._say = config, say
        self._deployment = Deployment(config.deployment)
        # As it is at the start: workers that come later must agree with the others.
        self._plan = read_plan(self._deployment.folder, host)
        self._load_one = loader(self._deployment, config, host, self._plan)
        loaded = self._load()
        engine = loaded.promoted.engine
        check_scenarios(self._plan, list(engine.shelves), str(self._deployment.folder / FILE))
        self.version = engine.version
        # What `run` and `promote` ask for has happened, and others may have been promoted since.
        self._config = replace(config, run="", promote=False)
        self._loaded: _Loaded | None = loaded

    def service(self) -> Service:
        """The service of one worker, once in each process; what is loaded is the service's from here on."""
        # Not before: Prometheus' client looks for the folder of several workers' series when it is imported.
        from polyscene.serving.service import Service

        promoted, others, plan, problems = self._loaded or self._load()
        self._loaded = None
        return Service(
            self._config,
            self._deployment,
            promoted,
            self._load_one,
            others=others,
            plan=plan,
            problems=problems,
        )

    def let_go(self) -> None:
        """Hold nothing of what is loaded, when all workers are forked.

        They free it when another version takes over, and this process never would. A worker that takes the place
        of one that died loads what is promoted then.
        """
        self._loaded = None
        give_back_freed_memory()

    def _load(self) -> _Loaded:
        promoted = load_promoted(self._deployment, self._config, self._load_one, self._say)
        plan, others, problems = load_others(self._plan, self._config, self._load_one, self._say)
        return _Loaded(promoted, others, plan, problems)


class _Loaded(NamedTuple):
    promoted: Choices
    others: dict[str, Choices]
    plan: Plan
    problems: list[str]
