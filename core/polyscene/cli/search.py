"""A search for good options with Optuna. Its memory lies in the sweep's folder, so that it can be continued."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.types import Override

from polyscene.cli.space import Space, read_space
from polyscene.config.validate import bounded, from_mapping_or_raise
from polyscene.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler

JOURNAL = "study.journal"
_NAME = "search"
Launch = Callable[[list[list[str]], int], Sequence[float | None]]


@dataclass
class SearchConfig:
    """Options of ``hydra/sweeper=optuna``, under ``hydra.sweeper``."""

    n_trials: int = bounded(20, at_least=1)
    """Trials in all, those of earlier sessions included."""
    n_jobs: int = bounded(1, at_least=1)
    """Trials that are proposed and launched together, by a launcher that runs them side by side."""
    sampler: Literal["tpe", "gp", "random"] = "tpe"
    """Tree-structured Parzen estimator, Gaussian process, or chance."""
    startup: int = bounded(8, at_least=1)
    """Trials by chance before the sampler learns from them."""
    seed: int = 0
    """Seed of the sampler."""


def search(folder: Path, options: Mapping[str, Any], overrides: Sequence[Override], launch: Launch) -> None:
    """Propose trials, launch them and remember their validation scores, until there are ``n_trials``.

    Trials that a killed session had begun come first; a continued search proposes what an unbroken one would have.

    Args:
        folder: of the sweep.
        options: fields of :class:`SearchConfig`.
        overrides: the parsed command line.
        launch: runs a list of jobs, given as overrides, of which the first has the number; returns scores.

    Raises:
        ConfigError: wrong options, nothing to search over, or the folder holds another search.
    """
    config = from_mapping_or_raise(SearchConfig, options, where="hydra.sweeper")
    assert config is not None
    space = read_space(overrides)
    study = _study(folder)
    _check_same(study, folder, space)
    from optuna.trial import TrialState

    while True:
        begun = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        rest = config.n_trials - len(study.trials)
        batch: list[Any] = [*begun[: config.n_jobs]] or [
            _ask(study, config, space) for _ in range(min(config.n_jobs, rest))
        ]
        if not batch:
            return
        for _, consecutive in groupby(enumerate(batch), lambda pair: pair[1].number - pair[0]):
            trials = [trial for _, trial in consecutive]
            scores = launch([space.job(trial.params) for trial in trials], trials[0].number)
            for trial, score in zip(trials, scores, strict=True):
                study.tell(trial.number, score, state=TrialState.FAIL if score is None else TrialState.COMPLETE)


def print_best(folder: Path) -> None:
    """Say which trial was best and how to repeat it; nothing where none has finished."""
    import click

    if not (folder / JOURNAL).is_file():
        return
    study = _study(folder)
    scores = [trial.value for trial in study.trials if trial.value is not None]
    if not scores:
        return
    job = [*study.user_attrs["fixed"], *(f"{key}={value}" for key, value in study.best_trial.params.items())]
    words = " ".join(word for word in job if not word.startswith(("run.dir=", "seed=")))
    click.echo(f"Best of {len(scores)}: trial {study.best_trial.number}, validation {study.best_value:.4f}")
    click.echo(f"The best of many is partly luck; repeat it over seeds: polyscene train -m {words} seed=0,1,2")


def _study(folder: Path) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    return optuna.create_study(storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True)


def _check_same(study: Study, folder: Path, space: Space) -> None:
    now = {"fixed": space.fixed, "space": space.described()}
    if not study.user_attrs:
        for key, value in now.items():
            study.set_user_attr(key, value)
    elif study.user_attrs != now:
        before = json.dumps(study.user_attrs, sort_keys=True)
        raise ConfigError(
            f"it holds another search: {before} there, {json.dumps(now, sort_keys=True)} here",
            where=str(folder),
            fix="repeat the options of that search to continue it, or choose another run.dir",
        )


def _ask(study: Study, config: SearchConfig, space: Space) -> Any:
    # Seeded by the number of the trial, so that what comes next does not depend on when the search was stopped.
    study.sampler = _sampler(config, config.seed + len(study.trials))
    return study.ask(dict(space.distributions))


def _sampler(config: SearchConfig, seed: int) -> BaseSampler:
    from optuna.samplers import GPSampler, RandomSampler, TPESampler

    if config.sampler == "random":
        return RandomSampler(seed=seed)
    if config.sampler == "gp":
        return GPSampler(seed=seed, n_startup_trials=config.startup)
    return TPESampler(seed=seed, n_startup_trials=config.startup, constant_liar=config.n_jobs > 1)
