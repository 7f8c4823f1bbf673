"""Users that training never saw, known by their first 1, 4 or 16 rows: what a model makes of little.

    python -m benchmarks.quality.user_cold_start                   # three scenarios jointly, three seeds
    python -m benchmarks.quality.user_cold_start --seeds 0 --shots 1 4

A tenth of the users of ``ecommerce``, ``video`` and ``music`` is kept out of training. Each is asked for their
test rows with a history of their first rows only; the rest of what they had is masked and told to nobody, so
that all methods rank the same items at every number of rows. ``joint`` is the multitask model. ``meta`` is
trained in the same way with ``strategy=meta`` and its defaults (ANIL on users): as it is, and ``meta, adapted`` to
the rows of each user by what it has learned. Popularity and item-kNN are fitted on the same training rows. Further
runs are measured on the same requests with ``--run LABEL=FOLDER``, where ``{seed}`` stands for the seed; they need
the overrides that ``overrides`` lists. About 40 minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.quality.protocols import RealData
from benchmarks.quality.seeds import OverSeeds
from benchmarks.quality.suite import SEEDS, default_folder
from benchmarks.results import write_results
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.config.schema import DataConfig
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.evaluation.baselines import COMPONENTS
from polyscene.evaluation.baselines.baseline import Baseline
from polyscene.evaluation.baselines.history import History
from polyscene.evaluation.evaluator import Scorer, evaluate_scorer, model_scorer
from polyscene.evaluation.requests import POPULATIONS, Requests
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.registry.components import Registry
from polyscene.training.meta.config import MetaConfig
from polyscene.training.meta.learner import Learner
from polyscene.training.meta.serving import adapt_fast, fast_scores, restore_learner
from polyscene.training.objective import ObjectiveContext
from polyscene.training.restore import restore
from polyscene.training.run import train

COMMAND = "python -m benchmarks.quality.user_cold_start"
ASKED = ("ecommerce", "video", "music")
SHOTS = (1, 4, 16)
BASELINES = ("popularity", "item_knn")
METRICS = ("ndcg@10", "recall@10")
_COLD_USER = next(population for population in POPULATIONS if population.name == "cold_user")
_REGISTRY = Registry(COMPONENTS)


def overrides(seed: int) -> list[str]:
    """What every run has in common."""
    splits = [f"scenario.{name}.split.{key}" for name in ASKED for key in ("cold_users=0.1", "cold_items=0")]
    return [f"scenario=[{','.join(ASKED)}]", f"seed={seed}", "controls=[]", *splits]


def trained(data: RealData, strategy: str, seed: int, folder: Path) -> Path:
    """The run of a strategy and seed, from the folder if it was finished before; one that was stopped goes on."""
    run = folder / f"user_cold_start-{strategy}-{seed}"
    if not (run / "metrics.json").is_file():
        lines = [*overrides(seed), f"strategy={strategy}", f"data.root={data.root}", f"run.dir={run}"]
        train(resolve_train(compose("train", lines, data.host), data.host), data.host)
    return run


def first_rows(requests: Requests, shots: int) -> Requests:
    """The same requests from the first rows of the past alone; what is masked stays masked."""
    return replace(requests, stop_B=torch.minimum(requests.stop_B, requests.start_B + shots))


def after(scorer: Scorer, shots: int) -> Scorer:
    """A scorer that is told so many rows."""

    def scores(requests: Requests, view: View) -> torch.Tensor:
        return scorer(first_rows(requests, shots), view)

    return scores


def baseline_scorer(baseline: Baseline, subject: Subject) -> Scorer:
    """Scores of a baseline from exactly the rows of the requests."""
    events = subject.events

    def scores(requests: Requests, view: View) -> torch.Tensor:
        count_B = requests.stop_B - requests.start_B
        row_R = torch.repeat_interleave(count_B)
        before_B = count_B.cumsum(0) - count_B
        event_R = torch.arange(len(row_R)) + (requests.start_B - before_B)[row_R]
        history = History(
            row_R=row_R.numpy(),
            item_R=events.item_R[event_R].long().numpy(),
            value_R=events.value_R[event_R].numpy(),
            time_R=events.time_R[event_R].numpy(),
            shape=(len(count_B), events.n_items),
        )
        return torch.tensor(baseline.scores(requests.user_B.numpy(), history))

    return scores


def adapted_scorer(learner: Learner, subject: Subject, length: int) -> Scorer:
    """Scores after each user's rows have been learned from, all users of a batch at once."""

    def scores(requests: Requests, view: View) -> torch.Tensor:
        windows = requests.windows(subject.events, length)
        fast = adapt_fast(learner, subject.name, windows, len(requests.user_B))
        return fast_scores(learner, subject.name, fast, windows, view.name)

    return scores


def scorers(
    subject: Subject, models: dict[str, PolysceneModel], learners: dict[str, Learner], length: int
) -> Iterator[tuple[str, Scorer]]:
    """Every method of a scenario: models by label, those that adapt, then baselines fitted on training rows."""
    for label, model in models.items():
        model.observe(subject.name, subject.events, [Phase.TRAIN])
        yield label, model_scorer(model, subject, length)
        if label in learners:
            yield f"{label}, adapted", adapted_scorer(learners[label], subject, length)
    for name in BASELINES:
        component = _REGISTRY.get("baseline", name)
        baseline: Baseline = component.build(component.config() if component.config else None)
        baseline.fit(subject.events, None, phases=(Phase.TRAIN,))
        yield name, baseline_scorer(baseline, subject)


def measure(figures: OverSeeds, runs: dict[str, Path], data: RealData, seed: int, shots: list[int]) -> None:
    """Add the figures of one seed's runs on their common requests."""
    place = DataConfig(root=str(data.root))
    restored = {
        name: restore(str(run), data.host, root="", data=place, device="cpu") for name, run in runs.items()
    }
    first = next(iter(restored.values()))
    models = {label: run.model(run.labels()[0]) for label, run in restored.items()}
    learners = {
        label: restore_learner(
            runs[label] / "checkpoints" / run.labels()[0],
            ObjectiveContext(run.config, models[label], run.loaded.scenarios),
            run.config.strategy.options,
        )
        for label, run in restored.items()
        if isinstance(run.config.strategy.options, MetaConfig)
    }
    for name in ASKED:
        loaded = first.loaded.scenarios[name]
        subject, view = first.session.subject(name, loaded), loaded.scenario.views[0]
        for method, scorer in scorers(subject, models, learners, loaded.config.max_history):
            for count in shots:
                found = evaluate_scorer(subject, _COLD_USER, view, after(scorer, count))
                protocol = f"{subject.protocol}; view {view.name}, cold users after {count} rows"
                for metric in METRICS:
                    figures.add((protocol, name, method, metric), seed, found[metric].mean)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and with all seeds and numbers of rows write ``results/user_cold_start.json``."""
    parser = argparse.ArgumentParser(description="cold users by the number of their rows")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--shots", nargs="*", type=int, default=list(SHOTS))
    parser.add_argument("--run", nargs="*", default=[], metavar="LABEL=FOLDER", help="further runs")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where finished runs are remembered")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    data, figures, console = RealData(), OverSeeds(COMMAND), Console(width=200)
    further = dict(one.split("=", 1) for one in given.run)
    for seed in given.seeds:
        runs = {label: Path(folder.format(seed=seed)) for label, folder in further.items()}
        own = {
            label: trained(data, strategy, seed, given.folder)
            for label, strategy in (("joint", "multitask"), ("meta", "meta"))
        }
        measure(figures, {**own, **runs}, data, seed, given.shots)
    rows = list(figures.rows())
    table = Table("scenario", "protocol", "method", "NDCG@10")
    for row in rows:
        if row["metric"] == METRICS[0]:
            table.add_row(row["scenario"], row["protocol"], row["method"], f"{row['mean']:.4f}")
    console.print(table)
    if (tuple(given.seeds), tuple(given.shots)) == (SEEDS, SHOTS):
        console.print(f"written to {write_results('user_cold_start', rows)}; now run python -m benchmarks.render")


if __name__ == "__main__":
    main()
