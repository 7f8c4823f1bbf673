"""Controls that are models: the run's own plan, trained on data that lacks one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from polyscene.config.controls import CHANGES, ID_ONLY, PARTS
from polyscene.config.schema import TrainConfig
from polyscene.data.columns import Column, Id, Text
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host
from polyscene.training.loading import Loaded, LoadedScenario
from polyscene.training.strategy import Plan


def control_plans(control: str, plans: Iterable[Plan], loaded: Loaded) -> list[Plan]:
    """The plans of a run under a control, without those in which it changes nothing.

    Args:
        control: a name of :data:`polyscene.config.controls.CHANGES`.
        plans: what the strategy trains.
        loaded: the scenarios of the run.
    """
    plans, reached = list(plans), set(changed_names(control, loaded))
    return [
        replace(plan, label=control if len(plans) == 1 else f"{control}-{plan.label}", method=control)
        for plan in plans
        if reached & set(plan.scenarios)
    ]


def control_of(label: str) -> str:
    """The control that a model is, by its label; empty for the run's own models."""
    control = label.partition("-")[0]
    return control if control in CHANGES else ""


def changed_names(control: str, loaded: Loaded) -> list[str]:
    """The scenarios in which a control changes something: those that its model is reported on."""
    if not control:
        return list(loaded.scenarios)
    return [name for name, one in loaded.scenarios.items() if _CONTROLS[control].reaches(one.whole or one)]


def changed(control: str, loaded: Loaded, seed: int, host: Host) -> Loaded:
    """The scenarios as a control's model sees them; without a control, as they are.

    A scenario in which the control changes nothing stays as it is. Splits, rows and everything about users are
    never touched, and no text appears that was not there before.

    Args:
        control: a name of :data:`polyscene.config.controls.CHANGES`, or nothing.
        loaded: the scenarios of the run.
        seed: of what is shuffled.
        host: knows which priors read texts.
    """
    if not control:
        return loaded
    scenarios, reached = dict(loaded.scenarios), changed_names(control, loaded)
    for name in reached:
        one = scenarios[name]
        whole = _CONTROLS[control].change(one.whole or one, seed)
        if control == ID_ONLY:
            whole = _without_text_priors(whole, host)
        # Encoders are made for the whole scenario; a domain is a selection of its rows.
        scenarios[name] = whole if one.whole is None else replace(one, scenario=whole.scenario, whole=whole)
    return replace(loaded, scenarios=scenarios)


def changed_config(control: str, config: TrainConfig) -> TrainConfig:
    """The config of a control's model. Without content, dropping ids would leave nothing to learn from."""
    if control != ID_ONLY:
        return config
    return replace(config, model=replace(config.model, content_dropout=0.0))


def check_controls(controls: Iterable[str], loaded: Loaded, *, priors: bool = True) -> None:
    """Refuse controls that would train a model just like the run's.

    Args:
        controls: what a config names.
        loaded: the scenarios.
        priors: whether what they count is added to the scores.

    Raises:
        ConfigError: with every such control.
    """
    problems = Problems("controls")
    for control in controls:
        if control in PARTS and not priors:
            problems.add(
                f"'{control}' changes nothing in this run: model.priors is false",
                fix="leave one of the two out",
            )
        elif control in PARTS and not any(one.scenario.priors for one in loaded.scenarios.values()):
            problems.add(
                f"'{control}' changes nothing in this run: no scenario counts anything",
                fix="leave it out, or give a scenario priors, as in scenario.NAME.priors=[linear]",
            )
        if control in CHANGES and not changed_names(control, loaded):
            why, fix = _CONTROLS[control].lacking, _FIXES.get(control, "leave it out")
            problems.add(f"'{control}' changes nothing in this run: {why}", fix=fix)
    problems.raise_if_any(ConfigError)


class _Control(NamedTuple):
    reaches: Callable[[LoadedScenario], bool]
    change: Callable[[LoadedScenario, int], LoadedScenario]
    lacking: str


def _beside_ids(loaded: LoadedScenario) -> bool:
    return any(not isinstance(column, Id) for column in loaded.scenario.item_columns)


def _ids(loaded: LoadedScenario, seed: int) -> LoadedScenario:
    ids = tuple(column for column in loaded.scenario.item_columns if isinstance(column, Id))
    return _with_columns(loaded, ids or (Id(),))


def _without_text_priors(loaded: LoadedScenario, host: Host) -> LoadedScenario:
    kept = [
        spec
        for spec in loaded.scenario.priors
        if not getattr(host.component("prior", spec.name).build, "reads_texts", False)
    ]
    return replace(loaded, scenario=replace(loaded.scenario, priors=tuple(kept)))


def _own_texts(loaded: LoadedScenario) -> tuple[Text, ...]:
    """Text columns of the scenario itself; those that are lent to it are no texts of the item."""
    columns = loaded.scenario.item_columns
    return tuple(column for column in columns if isinstance(column, Text) and column.name not in loaded.gated)


def _texts(loaded: LoadedScenario, seed: int) -> LoadedScenario:
    return _with_columns(loaded, _own_texts(loaded))


def _texts_elsewhere(loaded: LoadedScenario, seed: int) -> LoadedScenario:
    names = [column.name for column in _own_texts(loaded)]
    return _shuffled(loaded, names, np.arange(len(loaded.tables.items)), seed)


def _has_graph(loaded: LoadedScenario) -> bool:
    return bool(loaded.graph_columns)


def _without_graph(loaded: LoadedScenario, seed: int) -> LoadedScenario:
    columns = loaded.scenario.item_columns
    return _with_columns(loaded, tuple(one for one in columns if one.name not in loaded.graph_columns))


def _links_elsewhere(loaded: LoadedScenario, seed: int) -> LoadedScenario:
    names = list(loaded.graph_columns)
    linked_N = loaded.tables.items[names].notna().to_numpy().any(axis=1)
    return _shuffled(loaded, names, np.flatnonzero(linked_N), seed)


_NO_TEXT, _NO_GRAPH = "no scenario's items have a text", "no scenario's items have columns from a knowledge graph"
_CONTROLS = {
    ID_ONLY: _Control(_beside_ids, _ids, "items are read by their ids anyway"),
    "text_only": _Control(
        lambda one: 0 < len(_own_texts(one)) < len(one.scenario.item_columns),
        _texts,
        f"{_NO_TEXT} and other columns beside it",
    ),
    "shuffled_text": _Control(lambda one: bool(_own_texts(one)), _texts_elsewhere, _NO_TEXT),
    "no_graph": _Control(_has_graph, _without_graph, _NO_GRAPH),
    "shuffled_links": _Control(_has_graph, _links_elsewhere, _NO_GRAPH),
}
_ADD_GRAPH = "leave it out, or add a graph, as in scenario=[video,kg]"
_FIXES: dict[str, str] = {"no_graph": _ADD_GRAPH, "shuffled_links": _ADD_GRAPH}


def _with_columns(loaded: LoadedScenario, columns: tuple[Column, ...]) -> LoadedScenario:
    left = {column.name for column in columns}
    return replace(
        loaded,
        scenario=replace(loaded.scenario, item_columns=columns),
        gated=tuple(name for name in loaded.gated if name in left),
        graph_columns=tuple(name for name in loaded.graph_columns if name in left),
    )


def _shuffled(loaded: LoadedScenario, names: list[str], row_M: np.ndarray, seed: int) -> LoadedScenario:
    """The values of columns in other rows, those of one row staying together."""
    items = loaded.tables.items.copy()
    other_M = np.random.default_rng(seed).permutation(row_M)
    items.loc[row_M, names] = items.loc[other_M, names].to_numpy()
    return replace(loaded, tables=replace(loaded.tables, items=items))
