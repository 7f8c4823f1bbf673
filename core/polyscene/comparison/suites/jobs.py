"""The jobs of a suite, all checked before the first one starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from polyscene.comparison.suites.config import SuiteConfig
from polyscene.comparison.suites.files import scenario_of_override
from polyscene.comparison.suites.job import Job
from polyscene.config.adapt import prepare_adapt
from polyscene.config.compose import compose
from polyscene.config.controls import MODELS
from polyscene.config.resolve import check_train
from polyscene.config.schema import TrainConfig
from polyscene.config.transfer import prepare_transfer
from polyscene.errors import ConfigError, PolysceneError, Problems
from polyscene.registry.host import Host
from polyscene.training.folder import config_fingerprint


def jobs_of(suite: SuiteConfig, host: Host, further: Sequence[str] = ()) -> list[Job]:
    """All jobs of a suite, seed by seed, trainings before what starts from them.

    Args:
        suite: what is asked for.
        host: the plugins.
        further: overrides of every training, from the command line.

    Raises:
        ConfigError: what is wrong with any of them, in one message.
    """
    problems = Problems("suite")
    trainings: dict[str, Job] = {}
    others: list[Job] = []
    checker = _Checker(host, problems)
    for group, names in suite.scenarios.items():
        for label, protocol in suite.protocols.items():
            wanted = {
                method: own
                for method, own in suite.methods.items()
                if method in (protocol.methods or suite.methods)
            }
            for method, own in wanted.items():
                common = [*suite.overrides, *protocol.overrides, *own, *further]
                place = (group, label, method)
                if protocol.command == "transfer":
                    others += checker.transfer(place, _for(names, common), suite.seeds)
                    continue
                for held in names if protocol.command == "adapt" else ("",):
                    lines = _for([name for name in names if name != held], common)
                    first = method == next(iter(wanted))
                    controls = [] if held or not first else suite.controls
                    for job in checker.trainings(place, lines, suite.seeds, controls, held):
                        trainings[job.name] = job
                        if held:
                            others += checker.adapt(job, [*_about_data(held, common), *protocol.adapt])
    problems.raise_if_any(ConfigError)
    found = [*trainings.values(), *others]
    return sorted(found, key=lambda job: (job.base is not None, float("inf") if job.seed is None else job.seed))


@dataclass
class _Checker:
    """Makes jobs and gathers what is wrong with them, once for each mistake."""

    host: Host
    problems: Problems

    def trainings(
        self, place: tuple[str, str, str], lines: list[str], seeds: Sequence[int], controls: list[str], held: str
    ) -> Iterator[Job]:
        """One training for each seed; they are alike but for it, so one of them is checked."""
        models = [control for control in controls if control in MODELS]
        checked: dict[bool, TrainConfig | None] = {}
        for number, seed in enumerate(seeds):
            wanted = controls if number == 0 else models
            given = [f"controls=[{','.join(wanted)}]", *lines, f"seed={seed}"]
            same = wanted == controls
            if same not in checked:
                checked[same] = self._config(place, given)
            known = checked[same]
            if known is None:
                return
            config = replace(known, seed=seed)
            yield Job("train", *place, seed, tuple(given), config_fingerprint(config), held, config)

    def transfer(self, place: tuple[str, str, str], lines: list[str], seeds: Sequence[int]) -> Iterator[Job]:
        """One run for all seeds."""
        given = [*lines, f"seeds={list(seeds)}".replace(" ", "")]
        try:
            config = prepare_transfer(given, self.host)
        except PolysceneError as error:
            self._add(place, error)
            return
        yield Job("transfer", *place, None, tuple(given), config_fingerprint(config), config=config)

    def adapt(self, base: Job, lines: list[str]) -> Iterator[Job]:
        """The scenario that a training left out is added to it."""
        given = [f"scenario={base.held}", *lines]
        place = (base.group, base.protocol, base.method)
        try:
            prepare_adapt([f"run={base.name}", *given], self.host)
        except PolysceneError as error:
            self._add(place, error)
            return
        key = hashlib.sha256("\n".join([base.key, *given]).encode()).hexdigest()
        yield Job("adapt", *place, base.seed, tuple(given), key, base.held, base=base)

    def _config(self, place: tuple[str, str, str], given: list[str]) -> TrainConfig | None:
        found = Problems("config")
        try:
            config = check_train(compose("train", given, self.host), self.host, found, TrainConfig)
            found.raise_if_any(ConfigError)
        except PolysceneError as error:
            self._add(place, error)
            return None
        return config

    def _add(self, place: tuple[str, str, str], error: PolysceneError) -> None:
        for line in [line.strip(" -") for line in error.what.splitlines()[1:]] or [error.what]:
            if not any(line in known for known in self.problems.found):
                self.problems.add(f"{' '.join(place)}: {line}")


def _for(names: Sequence[str], lines: Iterable[str]) -> list[str]:
    """A choice of scenarios, and the overrides that speak of no other scenario."""
    kept = [line for line in lines if scenario_of_override(line) in ("", *names)]
    return [f"scenario=[{','.join(names)}]", *kept]


def _about_data(name: str, lines: Iterable[str]) -> list[str]:
    """What overrides of trainings say of one scenario's data."""
    return [line for line in lines if scenario_of_override(line) == name or line.startswith("data.")]
