"""What a process loads before it answers, once, also for workers that are forked from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from polyscene.experiments.plan import FILE, check_scenarios, read_plan
from polyscene.registry.host import Host
from polyscene.serving.choices import Choices
from polyscene.serving.config import ServeConfig
from polyscene.serving.deployment import Deployment
from polyscene.serving.startup import Say, load_others, load_promoted, loader

if TYPE_CHECKING:
    from polyscene.serving.service import Service


def load_service(config: ServeConfig, host: Host, say: Say) -> tuple[str, Callable[[], Service]]:
    """Load the promoted version and those of experiments.

    Returns:
        The version's name, and what makes the service of one worker of it, once in each process.

    Raises:
        PolysceneError: no version can be loaded, or the plan of experiments is wrong.
    """
    deployment = Deployment(config.deployment)
    plan = read_plan(deployment.folder, host)
    load = loader(deployment, config, host, plan)
    promoted = load_promoted(deployment, config, load, say)
    check_scenarios(plan, list(promoted.engine.shelves), str(deployment.folder / FILE))
    plan, others, problems = load_others(plan, config, load, say)

    first: list[Choices] = [promoted]
    del promoted

    def made() -> Service:
        # Not before: Prometheus' client looks for the folder of several workers' series when it is imported.
        from polyscene.serving.service import Service

        # It is the service's from here on, which frees it when another version takes over.
        service = Service(config, deployment, first.pop(), load, others=dict(others), plan=plan, problems=problems)
        others.clear()
        return service

    return first[0].engine.version, made
