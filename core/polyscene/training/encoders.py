"""Encoders of a model: one set per scenario, which its domains share, fitted on the rows that the model learns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from polyscene.data.domains import scenario_of
from polyscene.data.events import Events
from polyscene.data.partition import select_events
from polyscene.data.phases import Phase
from polyscene.features.encoder import FitContext, SharedModules
from polyscene.features.entity import EntityEncoder
from polyscene.features.part import PartEncoder
from polyscene.model import PolysceneModel
from polyscene.training.loading import Loaded, LoadedScenario, columns_of
from polyscene.training.session import Session

TABLES = ("items", "users", "events")


@dataclass(frozen=True)
class Sharing:
    """The scenarios of a model that share encoders: domains of one scenario, or one scenario alone.

    Args:
        whole: the scenario that they are parts of, or the scenario itself.
        members: those of them that the model holds, by name.
    """

    whole: LoadedScenario
    members: Mapping[str, LoadedScenario]

    def learned_R(self) -> np.ndarray:
        """bool per interaction of the whole (in the order of its tables): the training rows of the members."""
        held_R = np.zeros(len(self.whole.tables.interactions), dtype=bool)
        for one in self.members.values():
            held_R[one.part.row_R if one.part else slice(None)] = True
        return held_R & (self.whole.split.phase_R == Phase.TRAIN)

    def held_events(self) -> np.ndarray:
        """The rows of the whole's events that belong to members, ascending."""
        rows = [one.part.event_R.numpy() for one in self.members.values() if one.part]
        return np.sort(np.concatenate(rows)) if rows else np.arange(len(self.whole.events.item_R))

    def events(self) -> Events:
        """The events of all members as one."""
        if len(self.members) == 1:
            return next(iter(self.members.values())).events
        return select_events(self.whole.events, torch.from_numpy(self.held_events()))


@dataclass(frozen=True)
class BoundEncoder:
    """An encoder with the rows of the whole scenario that it will be bound to."""

    encoder: EntityEncoder
    frame: pd.DataFrame
    context: FitContext

    def bind(self) -> None:
        """Put the rows on the device."""
        self.encoder.bind(self.frame, self.context)


def sharing(loaded: Loaded) -> dict[str, Sharing]:
    """Who shares encoders in a model of these scenarios, by the scenario that they are parts of."""
    members: dict[str, dict[str, LoadedScenario]] = {}
    for name, one in loaded.scenarios.items():
        members.setdefault(scenario_of(name), {})[name] = one
    return {
        name: Sharing(next(iter(own.values())).whole or next(iter(own.values())), own)
        for name, own in members.items()
    }


def make_encoders(
    session: Session,
    group: Sharing,
    shared: SharedModules,
    spaces: Mapping[str, np.ndarray],
    fitted: Mapping[str, Any] | None,
) -> dict[str, BoundEncoder]:
    """The encoders of a group by table: fitted on the training rows of its members, or as they were before.

    Args:
        session: config, plugins and backbone.
        group: who shares the encoders.
        shared: modules that all encoders share.
        spaces: the ids of every id space.
        fitted: what the encoders learned besides parameters; ``None`` fits them.
    """
    name = group.whole.scenario.name
    contexts = _contexts(session, name, group, shared, spaces)
    encoders = {}
    for table in TABLES:
        encoder, frame = _entity_encoder(session, group.whole, name, table), _frame(group.whole, table)
        if fitted is None:
            encoder.fit(frame, contexts[table])
        else:
            encoder.load_fitted(fitted[table], contexts[table])
        encoders[table] = BoundEncoder(encoder, frame, contexts[table])
    return encoders


def encoder_of(bound: BoundEncoder, scenario: LoadedScenario, table: str) -> EntityEncoder | PartEncoder:
    """The encoder as a member sees it, whose rows are numbered within the domain."""
    rows = _rows_of(scenario, table)
    return bound.encoder if rows is None else PartEncoder(bound.encoder, rows)


def bind_again(session: Session, model: PolysceneModel, group: Sharing, tables: Collection[str] = TABLES) -> None:
    """Bind encoders to tables that have grown since the model was made.

    Args:
        session: config, plugins and backbone.
        model: the model.
        group: a scenario, or the domains of one, as they are now.
        tables: which have grown.
    """
    contexts = _contexts(session, group.whole.scenario.name, group, model.shared, {})
    places = {"items": model.items, "users": model.users, "events": model.events}
    for table in tables:
        encoders = {name: places[table][name] for name in group.members if name in places[table]}
        for name, encoder in encoders.items():
            rows = _rows_of(group.members[name], table)
            if rows is not None and isinstance(encoder, PartEncoder):
                encoder.row_N = rows.to(encoder.row_N.device)
        # Domains of one scenario share the encoder.
        for encoder in list(encoders.values())[:1]:
            bound = encoder.encoder if isinstance(encoder, PartEncoder) else encoder
            assert isinstance(bound, EntityEncoder)
            bound.bind(_frame(group.whole, table), contexts[table])


def _rows_of(scenario: LoadedScenario, table: str) -> torch.Tensor | None:
    """The rows of a domain in a table of the whole scenario; None where they are all in it."""
    part = scenario.part
    return None if part is None else {"items": part.item_N, "users": None, "events": part.event_R}[table]


def _entity_encoder(session: Session, loaded: LoadedScenario, name: str, table: str) -> EntityEncoder:
    config = session.config
    return EntityEncoder(
        columns_of(loaded, table),
        registry=session.host.registry,
        fusion=config.fusion.component,
        fusion_config=config.fusion.options,
        id_column="user_id" if table == "users" else "item_id",
        content_dropout=config.model.content_dropout if table != "events" else 0.0,
        count_gate=config.model.count_gate and table != "events",
        stand_in=table == "items" and any(choice.name == "stand_in" for choice in config.auxiliary),
        gated=loaded.gated if table == "items" else (),
        owner=f"{name}/{table}",
    )


def _contexts(
    session: Session, name: str, group: Sharing, shared: SharedModules, spaces: Mapping[str, np.ndarray]
) -> dict[str, FitContext]:
    tables, events, learned_R = group.whole.tables, group.whole.events, group.learned_R()
    user_of_row, train_row = _rows_of_users(events)
    held_row = np.zeros_like(train_row)
    held_row[group.held_events()] = True
    train_row &= held_row
    counts = {
        "items": np.bincount(tables.item_R[learned_R], minlength=len(tables.items)),
        "users": np.bincount(tables.user_R[learned_R], minlength=len(tables.users)),
        "events": train_row.astype(np.int64),
    }
    train_interactions = pd.DataFrame(tables.interactions[learned_R])
    return {
        table: FitContext(
            d_model=session.config.model.d_model,
            train_rows=counts[table] > 0,
            train_counts=counts[table],
            shared=shared,
            embed_texts=session.backbone.embed,
            synonyms=session.backbone.synonyms,
            embedding_dim=session.backbone.embedding_dim if group.whole.text_columns() else 0,
            spaces=spaces,
            train_interactions=train_interactions,
            tables=tables,
            owner=f"{name}/{table}",
            seed=session.config.seed,
            tunable=session.backbone if session.config.backbone.tune != "frozen" else None,
            user_of_row=user_of_row if table == "events" else None,
            graph=group.whole.graph if table == "items" else None,
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
