"""Assembly: from loaded scenarios to a model, fitted afresh or restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyscene.adapters.assorted import build_bank
from polyscene.adapters.bank import AdapterBank
from polyscene.adapters.none import NoAdapter
from polyscene.auxiliary import Auxiliary, AuxiliaryContext
from polyscene.config.declared import adapter_of
from polyscene.config.schema import Site
from polyscene.config.validate import from_mapping_or_raise
from polyscene.data.domains import scenario_of
from polyscene.data.scenario import ScenarioConfig, TaskSpec
from polyscene.errors import ConfigError
from polyscene.features.encoder import SharedModules
from polyscene.model import PolysceneModel, ScenarioParts
from polyscene.tasks.task import PairTask, Task, TaskContext
from polyscene.training.checkpoint import load_weights
from polyscene.training.encoders import BoundEncoder, Sharing, encoder_of, make_encoders, sharing
from polyscene.training.loading import Loaded, LoadedScenario
from polyscene.training.priors import build_priors
from polyscene.training.session import Session


def build_model(
    session: Session,
    loaded: Loaded,
    *,
    fitted: Mapping[str, Any] | None = None,
    weights: Path | None = None,
) -> tuple[PolysceneModel, dict[str, Any]]:
    """A model for loaded scenarios (in their order), and what its encoders learned besides parameters.

    Args:
        session: config, plugins, backbone and device.
        loaded: the scenarios of this model.
        fitted: what an earlier call returned, to build the same model for a checkpoint.
        weights: the checkpoint to load.
    """
    config = session.config
    torch.manual_seed(config.seed)
    shared, spaces = SharedModules(), loaded.spaces()
    added = [name for name in loaded.scenarios if scenario_of(name) in config.adapted]
    base = replace(loaded, scenarios={name: one for name, one in loaded.scenarios.items() if name not in added})
    built = build_parts(session, base, shared, spaces, fitted)
    # One by one, as they were added: each saw what was there.
    grown = {
        name: build_parts(
            session, replace(loaded, scenarios={name: loaded.scenarios[name]}), shared.branch(name), spaces, fitted
        )
        for name in added
    }
    judges = any(judges_pairs(one.parts) for one in (built, *grown.values()))
    model = trunk(session, list(base.scenarios), shared, built.parts, pairs=judges)
    model.auxiliaries.update(_auxiliaries(session, base))
    for name, one in grown.items():
        model.grow(name, one.parts[name], adapter_of(config, loaded.scenarios[name].config, session.host))
    if weights is not None:
        load_weights(weights, model)
    # Rows are bound last: ids of a shared space are complete only after all scenarios are fitted, and what an
    # encoder learned as arrays comes with the weights.
    learned: dict[str, Any] = {}
    for one in (built, *grown.values()):
        one.bind()
        learned |= one.learned()
    return model.to(session.device), {name: learned[name] for name in loaded.scenarios}


@dataclass(frozen=True)
class BuiltParts:
    """What scenarios bring to a model, with encoders that have no rows yet.

    Args:
        parts: by scenario.
        encoders: by the scenario that domains are parts of, and by table.
        groups: who shares encoders.
    """

    parts: dict[str, ScenarioParts]
    encoders: dict[str, dict[str, BoundEncoder]]
    groups: dict[str, Sharing]

    def bind(self) -> None:
        """Put the rows on the device."""
        for bound in self.encoders.values():
            for one in bound.values():
                one.bind()

    def learned(self) -> dict[str, Any]:
        """What encoders learned besides parameters, by scenario; what domains share is kept with the first."""
        return {
            name: {table: one.encoder.fitted() for table, one in self.encoders[scenario_of(name)].items()}
            if name == next(iter(self.groups[scenario_of(name)].members))
            else {}
            for name in self.parts
        }


def build_parts(
    session: Session,
    loaded: Loaded,
    shared: SharedModules,
    spaces: Mapping[str, np.ndarray],
    fitted: Mapping[str, Any] | None,
) -> BuiltParts:
    """The encoders and tasks of loaded scenarios.

    Args:
        session: config, plugins and backbone.
        loaded: the scenarios.
        shared: modules that encoders and tasks share.
        spaces: the ids of every id space.
        fitted: what encoders learned besides parameters, by scenario; ``None`` fits them.
    """
    groups = sharing(loaded)
    encoders = {
        key: make_encoders(session, group, shared, spaces, fitted and fitted[next(iter(group.members))])
        for key, group in groups.items()
    }
    parts = {}
    for name, scenario in loaded.scenarios.items():
        key = scenario_of(name)
        tasks = _tasks(session, name, scenario, groups[key], parts, modules=shared, restored=fitted is not None)
        bound = {table: encoder_of(encoder, scenario, table) for table, encoder in encoders[key].items()}
        # A task that makes its own query, as the triple task does, reads neither user vectors nor steps.
        main, declared = next(iter(tasks.values())), scenario.scenario
        reads_steps = main.from_history and main.reads_past and declared.event_columns
        parts[name] = ScenarioParts(
            items=bound["items"],
            users=bound["users"] if main.from_history and declared.user_columns else None,
            events=bound["events"] if reads_steps else None,
            tasks=tasks,
            n_items=scenario.events.n_items,
            priors=build_priors(session, name, scenario, main),
        )
    return BuiltParts(parts, encoders, groups)


def trunk(
    session: Session,
    names: Sequence[str],
    shared: SharedModules,
    parts: Mapping[str, ScenarioParts],
    *,
    pairs: bool,
) -> PolysceneModel:
    """What the scenarios of a model have in common, freshly initialized.

    Args:
        session: config and plugins.
        names: the scenarios that there are places for.
        shared: what their encoders share.
        parts: what scenarios bring; to use the trunk without a scenario, leave it out.
        pairs: whether a task judges pairs.
    """
    config = session.config
    d_model, options = config.model.d_model, [config.scenario[scenario_of(name)] for name in names]
    return PolysceneModel(
        parts,
        shared=shared,
        sequence=config.sequence.build(d_model=d_model, max_length=max(one.max_history for one in options)),
        user_bank=_bank(session, "users", options),
        item_bank=_bank(session, "items", options),
        pair_bank=_bank(session, "pairs", options) if pairs else None,
        # Last, so that the weights above start as they do without it.
        router=config.router.build(d_model=d_model, n_scenarios=len(names)) if len(names) > 1 else None,
    )


def _bank(session: Session, site: Site, options: Sequence[ScenarioConfig]) -> AdapterBank:
    """The adapters of one place; where the config adapts nothing, all scenarios share the identity."""
    config = session.config
    if site not in config.model.adapt:
        return NoAdapter(None, config.model.d_model, len(options))
    choices = [adapter_of(config, one, session.host) for one in options]
    return build_bank(choices, config.adapter, config.model.d_model)


def _auxiliaries(session: Session, loaded: Loaded) -> dict[str, Auxiliary]:
    """The auxiliary losses of the config by name."""
    events = {name: one.events for name, one in loaded.scenarios.items()}
    context = AuxiliaryContext(session.config.model.d_model, events)
    return {choice.name: choice.build(context=context) for choice in session.config.auxiliary}


def judges_pairs(parts: Mapping[str, ScenarioParts]) -> bool:
    tasks = [task for one in parts.values() for task in one.tasks.values()]
    return any(isinstance(task, PairTask) and task.adapts_pairs for task in tasks)


def task_names(specs: Sequence[TaskSpec]) -> list[str]:
    """Names of a scenario's tasks in the model, which allow the same task twice (rating, rating_2)."""
    names: list[str] = []
    for spec in specs:
        same = sum(name == spec.name or name.startswith(f"{spec.name}_") for name in names)
        names.append(spec.name if not same else f"{spec.name}_{same + 1}")
    return names


def task_context(session: Session, name: str, loaded: LoadedScenario) -> TaskContext:
    """What a task of a scenario knows of it, before there is a model."""
    return TaskContext(
        session.config.model.d_model,
        loaded.events,
        session.host.registry,
        f"scenario.{name}",
        loaded.scenario,
        loaded.tables,
        session.backbone,
    )


def _tasks(
    session: Session,
    name: str,
    loaded: LoadedScenario,
    group: Sharing,
    built: Mapping[str, ScenarioParts],
    *,
    modules: SharedModules,
    restored: bool,
) -> dict[str, Task]:
    """The tasks of a scenario. Domains of the same items share those that keep nothing but what they learn."""
    host = session.host
    context = replace(task_context(session, name, loaded), shared=modules, restored=restored)
    before = next((built[other].tasks for other in group.members if other in built), None)
    same_items = loaded.part is not None and loaded.part.item_N is None
    tasks = {}
    for key, spec in zip(task_names(loaded.scenario.tasks), loaded.scenario.tasks, strict=True):
        component = host.component("task", spec.name, where=f"scenario '{name}'")
        options = from_mapping_or_raise(
            component.config, spec.options, where=f"scenario '{name}': task {spec.name}"
        )
        shared = same_items and getattr(component.build, "shareable", False)
        if shared and before is not None:
            tasks[key] = before[key]
        else:
            events = group.events() if shared else loaded.events
            tasks[key] = component.build(options, context=replace(context, events=events))
    main = next(iter(tasks.values()))
    if main.from_history and not main.reads_past and not loaded.scenario.user_columns:
        raise ConfigError(
            "its task reads no history and its users have no columns: all users would be the same",
            where=f"scenario '{name}'",
            fix="give columns of users (at least id), or let the task read the history",
        )
    return tasks
