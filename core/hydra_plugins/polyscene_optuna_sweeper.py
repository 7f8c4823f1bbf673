"""``hydra/sweeper=optuna``: searches for the options with the best validation score, see polyscene.cli.search.

Hydra takes sweepers from the namespace package ``hydra_plugins`` only, and imports this file at every start.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class OptunaSweeper(Sweeper):
    """Proposes jobs by what the ones before reached.

    Args:
        options: fields of :class:`polyscene.cli.search.SearchConfig`.
    """

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        from polyscene.cli.search import search

        assert self.config is not None
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        folder = Path(str(self.config.hydra.sweep.dir))
        search(folder, self.options, parser.parse_overrides(arguments), self._launch)

    def _launch(self, jobs: list[list[str]], first: int) -> Sequence[float | None]:
        assert self.launcher is not None
        self.validate_batch_is_legal(jobs)
        return [done.return_value for done in self.launcher.launch(jobs, initial_job_idx=first)]
