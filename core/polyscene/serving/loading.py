"""What a process loads before it answers, once, also for workers that are forked from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from polyscene.experiments.plan import FILE, Plan, check_scenarios, read_plan
from polyscene.registry.host import Host
from polyscene.serving.choices import Choices
from polyscene.serving.config import ServeConfig
from polyscene.serving.control import Control
from polyscene.serving.deployment import Deployment
from polyscene.serving.startup import Say, load_others, load_promoted, loader

if TYPE_CHECKING:
    from polyscene.serving.service import Service


class Starter:
    """Makes services of what is promoted when it is built, each in a process of its own.

    Args:
        config: the options.
        host: the plugins.
        say: tells who started it.
        plan: who chooses for whom; None reads it from the deployment.
        version: what is loaded; empty takes what is promoted, or where that cannot be loaded what was before it.

    Attributes:
        version: the version that was loaded.

    Raises:
        PolysceneError: no version can be loaded, or the plan of experiments is wrong.
    """

    def __init__(
        self, config: ServeConfig, host: Host, say: Say, *, plan: Plan | None = None, version: str = ""
    ) -> None:
        self._config, self._say = config, say
        self._deployment = Deployment(config.deployment)
        self._plan = plan or read_plan(self._deployment.folder, host)
        self._load_one = loader(self._deployment, config, host, self._plan)
        loaded = self._load(version)
        engine = loaded.promoted.engine
        check_scenarios(self._plan, list(engine.shelves), str(self._deployment.folder / FILE))
        self.version = engine.version
        # What `run` and `promote` ask for has happened, and others may have been promoted since.
        self._config = replace(config, run="", promote=False)
        self._loaded: _Loaded | None = loaded

    def service(self, control: Control | None = None) -> Service:
        """The service of one worker, once in each process; what is loaded is the service's from here on.

        Args:
            control: leads to the process above, where there is one that exchanges workers.
        """
        # Not before: Prometheus' client looks for the folder of several workers' series when it is imported.
        from polyscene.serving.service import Service

        assert self._loaded is not None, "a service was made of it before"
        (promoted, others, plan, problems), self._loaded = self._loaded, None
        return Service(
            self._config,
            self._deployment,
            promoted,
            self._load_one,
            others=others,
            plan=plan,
            problems=problems,
            control=control,
        )

    def _load(self, version: str) -> _Loaded:
        if version:
            promoted = self._load_one(version)
        else:
            promoted = load_promoted(self._deployment, self._config, self._load_one, self._say)
        plan, others, problems = load_others(self._plan, self._config, self._load_one, self._say)
        return _Loaded(promoted, others, plan, problems)


class _Loaded(NamedTuple):
    promoted: Choices
    others: dict[str, Choices]
    plan: Plan
    problems: list[str]
