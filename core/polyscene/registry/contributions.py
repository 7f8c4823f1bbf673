"""Checks of what a plugin's hooks return, so that a mistake is named at its source."""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyscene.data.scenario import Scenario
from polyscene.errors import PluginError
from polyscene.registry.components import Component, Registry

if TYPE_CHECKING:
    from polyscene.data.tables import Tables
    from polyscene.graph.enrichment import Enrichment

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def checked_scenarios(found: Any, owners: Mapping[str, str]) -> dict[str, Scenario]:
    """Scenarios by name, from what ``polyscene_scenarios`` returned.

    Args:
        found: the hook's result.
        owners: the distribution behind each scenario whose name cannot be taken.

    Raises:
        PluginError: a wrong type, a malformed name, or a name that is taken.
    """
    named: dict[str, Scenario] = {}
    for scenario in _several(found, "polyscene_scenarios"):
        if not isinstance(scenario, Scenario):
            raise PluginError(f"polyscene_scenarios returned {_shown(scenario)}; Scenario objects are expected")
        _check_name("scenario", scenario.name)
        _check_config("scenario", scenario.name, scenario.config)
        taken = "itself" if scenario.name in named else owners.get(scenario.name)
        if taken:
            raise PluginError(f"scenario '{scenario.name}' is already brought by {taken}; give it another name")
        named[scenario.name] = scenario
    return named


def checked_components(found: Any, plugin: str, registry: Registry, sources: Mapping[str, str]) -> list[Component]:
    """Components with their provider filled in, from what ``polyscene_components`` returned.

    Args:
        found: the hook's result.
        plugin: the plugin's name.
        registry: the components that are known already.
        sources: the distribution behind each plugin.

    Raises:
        PluginError: a wrong type, an unknown kind, a malformed name, or a name that is taken.
    """
    own = Registry()
    for component in _several(found, "polyscene_components"):
        if not isinstance(component, Component):
            raise PluginError(f"polyscene_components returned {_shown(component)}; Component objects are expected")
        _check_name(component.kind, component.name)
        if component.config is not None:
            _check_config(component.kind, component.name, component.config)
        own.add(dataclasses.replace(component, provider=plugin))
    components = list(own)
    for component in components:
        taken = registry.find(component.kind, component.name)
        if taken is not None:
            owner = sources.get(taken.provider, taken.provider)
            what = f"{component.kind} '{component.name}'"
            raise PluginError(f"{what} is already registered by {owner}; give it another name")
    return components


def checked_paths(found: Any) -> list[str]:
    """Hydra search path entries that exist, from what ``polyscene_config_paths`` returned.

    Raises:
        PluginError: an entry is malformed or names a folder that is not there.
    """
    paths: list[str] = []
    for path in _several(found, "polyscene_config_paths"):
        scheme, _, rest = path.partition("://") if isinstance(path, str) else ("", "", "")
        if scheme not in ("pkg", "file") or not rest:
            raise PluginError(
                f"polyscene_config_paths returned {_shown(path)}; expected 'pkg://package.conf' or 'file:///folder'"
            )
        if not _exists(scheme, rest):
            raise PluginError(f"its config path '{path}' does not exist")
        paths.append(path)
    return paths


def checked_enrichment(found: Any, tables: Tables) -> Enrichment | None:
    """What ``polyscene_enrich`` returned for a scenario with these tables.

    Raises:
        PluginError: a wrong type, ids that are missing or repeated, columns that are declared and not there, or
            there already, or links without both of their columns.
    """
    from polyscene.graph.enrichment import Enrichment  # brings torch, which listing plugins does not need

    if found is None:
        return None
    if not isinstance(found, Enrichment):
        raise PluginError(f"polyscene_enrich returned {_shown(found)}; an Enrichment or None is expected")
    if found.links is not None and not {"user_id", "friend_id"} <= set(found.links):
        raise PluginError(f"its links need the columns user_id and friend_id; they have {list(found.links)}")
    if found.items is None:
        if found.item_columns:
            raise PluginError("its enrichment declares columns and brings no frame of items")
        return found
    columns = [str(column) for column in found.items.columns]
    if "item_id" not in columns or found.items["item_id"].duplicated().any():
        raise PluginError(f"its enrichment needs a column item_id without repeated ids; it has {columns}")
    missing = sorted({column.name for column in found.item_columns} - set(columns))
    if missing:
        raise PluginError(f"its enrichment declares columns that its frame lacks: {', '.join(missing)}")
    taken = sorted(set(columns) & set(tables.items.columns) - {"item_id"})
    if taken:
        raise PluginError(
            f"its enrichment brings columns that the items already have: {', '.join(taken)}; give them other names"
        )
    return found


def _exists(scheme: str, rest: str) -> bool:
    if scheme == "file":
        return Path(rest).is_dir()
    try:
        return importlib.resources.files(rest).is_dir()
    except (ImportError, TypeError):
        return False


def _several(found: Any, hook: str) -> list[Any]:
    if isinstance(found, str) or not hasattr(found, "__iter__"):
        raise PluginError(f"{hook} returned {_shown(found)}; a list is expected")
    return list(found)


def _check_name(kind: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"{kind} name {name!r} is not a lower-case identifier such as 'my_{kind}'")


def _check_config(kind: str, name: str, config: Any) -> None:
    if not (isinstance(config, type) and dataclasses.is_dataclass(config)):
        raise PluginError(f"the config of {kind} '{name}' is {_shown(config)}; a dataclass is expected")


def _shown(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"[:120]
