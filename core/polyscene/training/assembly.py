"""Assembly: from loaded scenarios to a model, fitted afresh or restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from polyscene.config.validate import from_mapping_or_raise
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.scenario import TaskSpec
from polyscene.features.encoder import FitContext, SharedModules
from polyscene.features.entity import EntityEncoder
from polyscene.model import PolysceneModel, ScenarioParts
from polyscene.tasks.task import Task, TaskContext
from polyscene.training.checkpoint import load_weights
from polyscene.training.loading import Loaded, LoadedScenario, columns_of
from polyscene.training.session import Session

TABLES = ("items", "users", "events")


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
    encoders: dict[str, dict[str, _Bindable]] = {}
    for name, scenario in loaded.scenarios.items():
        contexts = _contexts(session, name, scenario, shared, spaces)
        encoders[name] = {}
        for table in TABLES:
            encoder = _entity_encoder(session, scenario, name, table)
            frame = _frame(scenario, table)
            if fitted is None:
                encoder.fit(frame, contexts[table])
            else:
                encoder.load_fitted(fitted[name][table], contexts[table])
            encoders[name][table] = _Bindable(encoder, frame, contexts[table])
    parts = {}
    for name, of_table in encoders.items():
        scenario = loaded.scenarios[name]
        tasks = _tasks(session, name, scenario)
        # A task that makes its own query, as the triple task does, reads neither user vectors nor steps.
        reads_history = next(iter(tasks.values())).from_history
        parts[name] = ScenarioParts(
            items=of_table["items"].encoder,
            users=of_table["users"].encoder if reads_history and scenario.scenario.user_columns else None,
            events=of_table["events"].encoder if reads_history and scenario.scenario.event_columns else None,
            tasks=tasks,
            n_items=scenario.events.n_items,
        )
    d_model = config.model.d_model
    longest = max(scenario.config.max_history for scenario in loaded.scenarios.values())
    model = PolysceneModel(
        parts,
        shared=shared,
        sequence=config.sequence.build(d_model=d_model, max_length=longest),
        user_bank=config.adapter.build(d_model=d_model, n_scenarios=len(parts)),
        item_bank=config.adapter.build(d_model=d_model, n_scenarios=len(parts)),
        # Last, so that the weights above start as they do without it.
        router=config.router.build(d_model=d_model, n_scenarios=len(parts)) if len(parts) > 1 else None,
    )
    if weights is not None:
        load_weights(weights, model)
    # Rows are bound last: ids of a shared space are complete only after all scenarios are fitted, and what an
    # encoder learned as arrays comes with the weights.
    for of_table in encoders.values():
        for one in of_table.values():
            one.encoder.bind(one.frame, one.context)
    learned = {
        name: {table: one.encoder.fitted() for table, one in of_table.items()}
        for name, of_table in encoders.items()
    }
    return model.to(session.device), learned


@dataclass(frozen=True)
class _Bindable:
    """An encoder with the rows it will be bound to."""

    encoder: EntityEncoder
    frame: pd.DataFrame
    context: FitContext


def task_names(specs: Sequence[TaskSpec]) -> list[str]:
    """Names of a scenario's tasks in the model, which allow the same task twice (rating, rating_2)."""
    names: list[str] = []
    for spec in specs:
        same = sum(name == spec.name or name.startswith(f"{spec.name}_") for name in names)
        names.append(spec.name if not same else f"{spec.name}_{same + 1}")
    return names


def _tasks(session: Session, name: str, loaded: LoadedScenario) -> dict[str, Task]:
    host = session.host
    context = TaskContext(session.config.model.d_model, loaded.events, host.registry, where=f"scenario.{name}")
    tasks = {}
    for key, spec in zip(task_names(loaded.scenario.tasks), loaded.scenario.tasks, strict=True):
        component = host.component("task", spec.name, where=f"scenario '{name}'")
        options = from_mapping_or_raise(
            component.config, spec.options, where=f"scenario '{name}': task {spec.name}"
        )
        tasks[key] = component.build(options, context=context)
    return tasks


def _entity_encoder(session: Session, loaded: LoadedScenario, name: str, table: str) -> EntityEncoder:
    config = session.config
    return EntityEncoder(
        columns_of(loaded, table),
        registry=session.host.registry,
        fusion=config.fusion.component,
        fusion_config=config.fusion.options,
        id_column="user_id" if table == "users" else "item_id",
        content_dropout=config.model.content_dropout if table != "events" else 0.0,
        gated=loaded.gated if table == "items" else (),
        owner=f"{name}/{table}",
    )


def _contexts(
    session: Session, name: str, loaded: LoadedScenario, shared: SharedModules, spaces: Mapping[str, np.ndarray]
) -> dict[str, FitContext]:
    tables, events = loaded.tables, loaded.events
    in_training = loaded.split.phase_R == Phase.TRAIN
    train_interactions = pd.DataFrame(tables.interactions[in_training])
    user_of_row, train_row = _rows_of_users(events)
    train_rows = {
        "items": np.bincount(tables.item_R[in_training], minlength=len(tables.items)) > 0,
        "users": np.bincount(tables.user_R[in_training], minlength=len(tables.users)) > 0,
        "events": train_row,
    }
    return {
        table: FitContext(
            d_model=session.config.model.d_model,
            train_rows=train_rows[table],
            shared=shared,
            embed_texts=session.backbone.embed,
            embedding_dim=session.backbone.embedding_dim if loaded.text_columns() else 0,
            spaces=spaces,
            train_interactions=train_interactions,
            tables=tables,
            owner=f"{name}/{table}",
            seed=session.config.seed,
            tunable=session.backbone if session.config.backbone.tune == "suffix" else None,
            user_of_row=user_of_row if table == "events" else None,
        )
        for table in TABLES
    }


def _frame(loaded: LoadedScenario, table: str) -> pd.DataFrame:
    """Rows of a table in the order of the model's indices; events in their flat order."""
    if table != "events":
        return loaded.tables.items if table == "items" else loaded.tables.users
    columns = {name: column.numpy() for name, column in loaded.events.columns.items()}
    return pd.DataFrame({"timestamp": loaded.events.time_R.numpy(), **columns})


def _rows_of_users(events: Events) -> tuple[np.ndarray, np.ndarray]:
    """The user of every flat row, and whether the row is a training row."""
    start_UP = events.start_UP.numpy()
    user_of_row = np.repeat(np.arange(events.n_users), start_UP[:, -1] - start_UP[:, 0])
    train_row = np.zeros(len(user_of_row), dtype=bool)
    train_row[events.rows([Phase.TRAIN])[1]] = True
    return user_of_row, train_row
