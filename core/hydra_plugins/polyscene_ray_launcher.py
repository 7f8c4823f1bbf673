"""``hydra/launcher=ray``: each job of a multirun is a task of Ray.

The published hydra-ray-launcher asks for cloudpickle below 3 and for boto3, which cannot be installed beside what
Polyscene needs; this one needs Ray alone. Hydra takes launchers from the namespace package ``hydra_plugins`` only,
and imports this file at every start.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


class RayLauncher(Launcher):
    """Runs jobs on a Ray cluster.

    Args:
        address: ``local`` starts a cluster on this machine that ends with the multirun; ``auto`` or ``HOST:PORT``
            joins one.
        cpus: cores that each job asks for.
        gpus: devices that each job asks for; a fraction lets jobs share one.
        memory_gb: memory that each job asks for; 0 does not ask.
    """

    def __init__(self, address: str, cpus: float, gpus: float, memory_gb: float) -> None:
        self.address = address
        self.resources: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus}
        if memory_gb:
            self.resources["memory"] = int(memory_gb * 2**30)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs, as many at once as there are resources for; one whose process dies stops no other."""
        import ray  # pyright: ignore[reportMissingImports]  # an extra of its own

        joined = ray.is_initialized()
        if not joined:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to Ray's makers unasked
            ray.init(address=self.address, include_dashboard=False)
        try:
            # A job whose process died is not repeated by Ray: the same command continues it.
            task = ray.remote(max_retries=0, **self.resources)(_execute)
            shared = ray.put((self.hydra_context, self.task_function, self.config, Singleton.get_state()))
            begun = [
                task.remote(shared, number, list(job)) for number, job in enumerate(job_overrides, initial_job_idx)
            ]
            return [_result(ray, one, job) for one, job in zip(begun, job_overrides, strict=True)]
        finally:
            if not joined:
                ray.shutdown()


def _result(ray: Any, begun: Any, job: Sequence[str]) -> JobReturn:
    died = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError)
    try:
        return ray.get(begun)
    except died:
        # Its outcome, which it wrote when it began, says that it never ended.
        return JobReturn(overrides=job, _return_value=None, status=JobStatus.COMPLETED)


def _execute(
    shared: tuple[HydraContext, TaskFunction, DictConfig, dict[Any, Any]], number: int, words: list[str]
) -> JobReturn:
    context, task_function, config, singletons = shared
    setup_globals()
    Singleton.set_state(singletons)
    own = context.config_loader.load_sweep_config(config, words)
    with open_dict(own):
        own.hydra.job.id = f"{own.hydra.job.name}_{number}"
        own.hydra.job.num = number
    HydraConfig.instance().set_config(own)
    return run_job(
        hydra_context=context,
        config=own,
        task_function=task_function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
