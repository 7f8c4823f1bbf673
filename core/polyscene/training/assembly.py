"""Assembly: from loaded scenarios to a model, fitted afresh or restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from polyscene.adapters.assorted import build_bank
from polyscene.adapters.bank import AdapterBank
from polyscene.adapters.none import NoAdapter
from polyscene.auxiliary import Auxiliary, AuxiliaryContext
from polyscene.config.declared import adapter_of
from polyscene.config.schema import Site
from polyscene.config.validate import from_mapping_or_raise
from polyscene.data.domains import scenario_of
from polyscene.data.scenario import TaskSpec
from polyscene.errors import ConfigError
from polyscene.features.encoder import SharedModules
from polyscene.model import PolysceneModel, ScenarioParts
from polyscene.tasks.task import PairTask, Task, TaskContext
from polyscene.training.checkpoint import load_weights
from polyscene.training.encoders import Sharing, encoder_of, make_encoders, sharing
from polyscene.training.loading import Loaded, LoadedScenario
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
    shared = SharedModules()
    spaces = loaded.spaces()
    groups = sharing(loaded)
    encoders = {
        key: make_encoders(session, group, shared, spaces, fitted and fitted[next(iter(group.members))])
        for key, group in groups.items()
    }
    parts = {}
    for name, scenario in loaded.scenarios.items():
        key = scenario_of(name)
        tasks = _tasks(session, name, scenario, groups[key], parts, shared, restored=fitted is not None)
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
        )
    d_model = config.model.d_model
    longest = max(scenario.config.max_history for scenario in loaded.scenarios.values())
    model = PolysceneModel(
        parts,
        shared=shared,
        sequence=config.sequence.build(d_model=d_model, max_length=longest),
        user_bank=_bank(session, "users", loaded),
        item_bank=_bank(session, "items", loaded),
        pair_bank=_bank(session, "pairs", loaded) if _judges_pairs(parts) else None,
        # Last, so that the weights above start as they do without it.
        router=config.router.build(d_model=d_model, n_scenarios=len(parts)) if len(parts) > 1 else None,
        auxiliaries=_auxiliaries(session, loaded),
    )
    if weights is not None:
        load_weights(weights, model)
    # Rows are bound last: ids of a shared space are complete only after all scenarios are fitted, and what an
    # encoder learned as arrays comes with the weights.
    for bound in encoders.values():
        for one in bound.values():
            one.bind()
    learned = {
        name: {table: one.encoder.fitted() for table, one in encoders[scenario_of(name)].items()}
        # What domains share is kept once, with the first of them.
        if name == next(iter(groups[scenario_of(name)].members))
        else {}
        for name in loaded.scenarios
    }
    return model.to(session.device), learned


def _bank(session: Session, site: Site, loaded: Loaded) -> AdapterBank:
    """The adapters of one place; where the config adapts nothing, all scenarios share the identity."""
    config = session.config
    if site not in config.model.adapt:
        return NoAdapter(None, config.model.d_model, len(loaded.scenarios))
    choices = [adapter_of(config, one.config, session.host) for one in loaded.scenarios.values()]
    return build_bank(choices, config.adapter, config.model.d_model)


def _auxiliaries(session: Session, loaded: Loaded) -> dict[str, Auxiliary]:
    """The auxiliary losses of the config by name."""
    events = {name: one.events for name, one in loaded.scenarios.items()}
    context = AuxiliaryContext(session.config.model.d_model, events)
    return {choice.name: choice.build(context=context) for choice in session.config.auxiliary}


def _judges_pairs(parts: Mapping[str, ScenarioParts]) -> bool:
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
    modules: SharedModules,
    *,
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
