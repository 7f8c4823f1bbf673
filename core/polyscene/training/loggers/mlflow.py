"""MLflow: a data base in a local folder, or a tracking server."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from polyscene.errors import ConfigError
from polyscene.training.loggers.logger import Logger, config_of, imported, kept_id, named_results

_LONGEST = 500  # characters of a parameter's value that every store takes
_BATCH = 100  # parameters in a call that every store takes


@dataclass
class MLflowConfig:
    """Options of ``logger=mlflow``."""

    experiment: str = "polyscene"
    """The experiment to which the run belongs."""
    uri: str = ""
    """A tracking server; empty writes into ``folder``."""
    folder: str = "mlruns"
    """Folder beside the run, which all runs there share, so that ``mlflow ui`` compares them."""


class MLflowLogger(Logger):
    """Writes what ``mlflow ui --backend-store-uri sqlite:///runs/mlruns/mlflow.db`` shows.

    Raises:
        ConfigError: if MLflow is not installed, or its store cannot be used.
    """

    def __init__(self, config: MLflowConfig, run: Path) -> None:
        self._entities = imported("mlflow.entities", tool="MLflow", extra="mlflow")
        client = imported("mlflow", tool="MLflow", extra="mlflow").MlflowClient
        error_class = imported("mlflow.exceptions", tool="MLflow", extra="mlflow").MlflowException
        for talkative in ("mlflow", "alembic"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        folder = run.resolve().parent / config.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Jobs of a multirun begin at once, and only one of them may make the tables.
            with FileLock(folder / ".lock"):
                self._client = client(config.uri or f"sqlite:///{folder / 'mlflow.db'}")
                self._id = self._begin(config, run, "" if config.uri else (folder / "artifacts").as_uri())
        except (error_class, ImportError, OSError) as error:
            raise ConfigError(
                " ".join(str(error).split())[:300],
                where="logger=mlflow",
                fix="see that logger.uri or logger.folder can be reached, or use logger=none",
            ) from error
        self._status = "FAILED"

    def _begin(self, config: MLflowConfig, run: Path, artifacts: str) -> str:
        known = self._client.get_experiment_by_name(config.experiment)
        experiment = (
            known.experiment_id if known else self._client.create_experiment(config.experiment, artifacts or None)
        )
        if (run / "mlflow.id").is_file():
            return kept_id(run, "mlflow", "")
        made = self._client.create_run(experiment, run_name=run.name).info.run_id
        parameters = [self._entities.Param(key, value[:_LONGEST]) for key, value in _flat(config_of(run))]
        for start in range(0, len(parameters), _BATCH):
            self._client.log_batch(made, params=parameters[start : start + _BATCH])
        return kept_id(run, "mlflow", made)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(_allowed(name), value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def log_results(self, results: Iterable[Mapping[str, Any]]) -> None:
        self.log(0, named_results(results))
        self._status = "FINISHED"

    def close(self) -> None:
        self._client.set_terminated(self._id, self._status)


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif value not in (None, "", [], {}):
        yield _allowed(key), str(value)


def _allowed(name: str) -> str:
    """MLflow takes letters, digits and a few signs: ``ndcg@10`` becomes ``ndcg_at_10``."""
    return re.sub(r"[^/\w.\- :]", "_", name.replace("@", "_at_"))
