"""Hook specifications: everything that a plugin can contribute.

A plugin is an installed package with an entry point in the group ``polyscene.plugins`` that names a module. The
module states the API version it was written for (``POLYSCENE_API = "1.0"``) and implements any of these hooks.
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
    """Scenarios that the plugin brings."""


@hookspec
def polyscene_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Components that configs can then choose by name."""


@hookspec
def polyscene_enrich(  # type: ignore[empty-body]
    scenario: str, tables: Any, loaded: dict[str, Any], splits: dict[str, Any], options: dict[str, Any]
) -> Enrichment | None:
    """Extra columns for the items of a scenario, another plugin's or one's own (called once per scenario and run).

    ``loaded`` holds the tables of all scenarios of the run by name, ``splits`` their splits, so that what is added
    comes from train rows only, and ``options`` their configs. Return ``None`` to add nothing.
    """


@hookspec
def polyscene_config_paths() -> Iterable[str]:  # type: ignore[empty-body]
    """Hydra search path entries with config groups, for example ``pkg://my_plugin.conf``."""


@hookspec
def polyscene_run_started(run: Path, config: dict[str, Any]) -> None:
    """A run begins; its directory exists."""


@hookspec
def polyscene_epoch_finished(run: Path, step: int, metrics: dict[str, float]) -> None:
    """Validation metrics were computed at a step."""


@hookspec
def polyscene_evaluated(run: Path, results: list[dict[str, Any]]) -> None:
    """Test results are known: rows of ``metrics.json``."""


@hookspec
def polyscene_run_finished(run: Path, status: str) -> None:
    """A run ended: ``status`` is ``finished`` or ``failed``."""
