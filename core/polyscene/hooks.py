"""Hook specifications: everything that a plugin can contribute.

A plugin is an installed package with an entry point in the group ``polyscene.plugins`` that names a module. The
module states the API version it was written for and implements any of these hooks. A hook may take fewer arguments
than are listed here. Each example is a complete plugin module.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from polyscene.data.scenario import Scenario
    from polyscene.graph.enrichment import Enrichment
    from polyscene.registry.components import Component

NAMESPACE = "polyscene"
API_VERSION = (1, 0)

hookspec = pluggy.HookspecMarker(NAMESPACE)
hookimpl = pluggy.HookimplMarker(NAMESPACE)


@hookspec
def polyscene_scenarios() -> Iterable[Scenario]:  # type: ignore[empty-body]
    """Scenarios that the plugin brings. Asked once, when plugins are loaded: data is read later, by ``load``.

    Example:
        >>> from pathlib import Path
        >>> from polyscene import Id, Scenario, ScenarioConfig, Tables, Text, hookimpl, read_csv
        >>> POLYSCENE_API = "1.0"
        >>> def load(config: ScenarioConfig, data):
        ...     folder = Path("podcasts")
        ...     return Tables(items=read_csv(folder / "items.csv"), interactions=read_csv(folder / "plays.csv"))
        >>> @hookimpl
        ... def polyscene_scenarios():
        ...     return [Scenario("podcast", load, item_columns=(Text(), Id()), title="The next episode")]
        >>> polyscene_scenarios()[0].tasks
        (TaskSpec(name='ranking', weight=1.0, options={}),)
    """


@hookspec
def polyscene_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Components that configs can then choose by name. Asked when a command first needs components.

    Example:
        >>> from dataclasses import dataclass
        >>> from polyscene import Component, SoftmaxLoss, hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @dataclass
        ... class WarmConfig:
        ...     temperature: float = 2.0
        >>> class WarmLoss(SoftmaxLoss):
        ...     def forward(self, positive_BT, candidates_BTC, windows, *, includes_positive):
        ...         t = self.config.temperature
        ...         return super().forward(
        ...             positive_BT / t, candidates_BTC / t, windows, includes_positive=includes_positive
        ...         )
        >>> @hookimpl
        ... def polyscene_components():
        ...     return [Component("loss", "warm", WarmLoss, WarmConfig)]
        >>> [f"{one.kind}/{one.name}" for one in polyscene_components()]
        ['loss/warm']
    """


@hookspec
def polyscene_enrich(  # type: ignore[empty-body]
    scenario: str, tables: Any, loaded: dict[str, Any], splits: dict[str, Any], options: dict[str, Any]
) -> Enrichment | None:
    """Extra columns for the items of a scenario, or links among its users (called once per scenario and run).

    The scenario may be another plugin's or one's own. Columns stand behind a learned gate that starts closed,
    links are for priors. Return ``None`` to add nothing.

    Args:
        scenario: name of the scenario that may be enriched.
        tables: its :class:`polyscene.Tables`.
        loaded: the tables of all scenarios of the run by name, itself among them.
        splits: their splits by name, so that what is added comes from train rows only.
        options: their configs by name.

    Example:
        >>> from polyscene import Enrichment, Number, hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @hookimpl
        ... def polyscene_enrich(scenario, tables):
        ...     if "text" not in tables.items:
        ...         return None
        ...     words = tables.items["text"].str.split().str.len()
        ...     added = tables.items[["item_id"]].assign(text_words=words.astype("float64"))
        ...     return Enrichment(added, (Number("text_words"),), note="counted the words of texts")
        >>> from polyscene import generate
        >>> polyscene_enrich("podcast", generate()).items.columns.tolist()
        ['item_id', 'text_words']
    """


@hookspec
def polyscene_config_paths() -> Iterable[str]:  # type: ignore[empty-body]
    """Hydra search path entries: packages or folders that hold config groups such as ``scenario`` or ``adapter``.

    Each entry is ``pkg://PACKAGE.FOLDER``, where the folder has an ``__init__.py``, or ``file:///FOLDER``; it must
    exist. A component without a config file can be chosen all the same and then starts from its defaults.

    Example:
        >>> from polyscene import hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @hookimpl
        ... def polyscene_config_paths():
        ...     return [f"pkg://{__name__}.conf"]
        >>> [path.endswith(".conf") for path in polyscene_config_paths()]
        [True]
    """


@hookspec
def polyscene_run_started(run: Path, config: dict[str, Any]) -> None:
    """A run begins.

    Args:
        run: its directory, which exists.
        config: the complete config as plain values, as in ``resolved.yaml``.

    Example:
        >>> from polyscene import hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @hookimpl
        ... def polyscene_run_started(run, config):
        ...     print(f"{run.name}: {', '.join(config['scenario'])}, seed {config['seed']}")
        >>> from pathlib import Path
        >>> polyscene_run_started(Path("runs/first"), {"scenario": {"video": {}, "music": {}}, "seed": 1})
        first: video, music, seed 1
    """


@hookspec
def polyscene_epoch_finished(run: Path, step: int, metrics: dict[str, float]) -> None:
    """Validation metrics were computed (every ``trainer.eval_every`` steps).

    Args:
        run: the run's directory.
        step: optimizer steps so far.
        metrics: figures by name.

    Example:
        >>> from polyscene import hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @hookimpl
        ... def polyscene_epoch_finished(step, metrics):
        ...     print(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
        >>> polyscene_epoch_finished(40, {"video/ndcg@10": 0.1234})
        step 40: video/ndcg@10 0.123
    """


@hookspec
def polyscene_evaluated(run: Path, results: list[dict[str, Any]]) -> None:
    """Test results are known.

    Args:
        run: the run's directory.
        results: rows of ``metrics.json``.

    Example:
        >>> from polyscene import hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @hookimpl
        ... def polyscene_evaluated(results):
        ...     for row in results:
        ...         print(row["scenario"], row["method"], row["metric"], round(row["value"], 3))
        >>> polyscene_evaluated([{"scenario": "video", "method": "joint", "metric": "ndcg@10", "value": 0.1234}])
        video joint ndcg@10 0.123
    """


@hookspec
def polyscene_run_finished(run: Path, status: str) -> None:
    """A run ended; everything that it leaves is in its directory.

    Args:
        run: the run's directory.
        status: ``finished`` or ``failed``.

    Example:
        >>> from polyscene import hookimpl
        >>> POLYSCENE_API = "1.0"
        >>> @hookimpl
        ... def polyscene_run_finished(run, status):
        ...     (run / "status.txt").write_text(status)
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     polyscene_run_finished(Path(folder), "finished")
        ...     (Path(folder) / "status.txt").read_text()
        'finished'
    """
