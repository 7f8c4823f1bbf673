"""The host: scenarios, components and hooks of the core and of all working plugins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from polyscene.errors import ConfigError, PluginError, did_you_mean
from polyscene.registry.builtin import builtin_registry
from polyscene.registry.components import Component, Registry
from polyscene.registry.contributions import checked_components, checked_paths, checked_scenarios
from polyscene.registry.discovery import OWN_DISTRIBUTION, Candidate, find_candidates
from polyscene.registry.manager import PluginManager
from polyscene.registry.records import PluginRecord

if TYPE_CHECKING:
    from polyscene.data.scenario import Scenario

ALLOW_VARIABLE = "POLYSCENE_PLUGINS"
NO_PLUGINS = "none"


class Host:
    """Everything that a run can choose from. Made by :func:`load_host`.

    Attributes:
        scenarios: scenarios of working plugins by name.
        providers: the plugin that brought each scenario.
        disputed: scenarios that several plugins bring, and who they are.
        records: status of every installed plugin, in load order (built-in plugins first).
    """

    def __init__(self, manager: PluginManager) -> None:
        self._manager = manager
        self._registry: Registry | None = None
        self._paths: dict[str, list[str]] = {}
        self._brought: dict[str, dict[str, Scenario]] = {}
        self.scenarios: dict[str, Scenario] = {}
        self.providers: dict[str, str] = {}
        self.disputed: dict[str, list[PluginRecord]] = {}
        for record in self._active():
            self._gather(record)

    @property
    def records(self) -> list[PluginRecord]:
        return list(self._manager.records.values())

    @property
    def registry(self) -> Registry:
        """All components. The first access imports the core's parts and asks the plugins for theirs."""
        if self._registry is None:
            registry = builtin_registry()
            sources = {record.name: record.source for record in self.records}
            for record in self._active():
                found = self._manager.call("polyscene_components", only=record.name).get(record.name, ())
                try:
                    components = checked_components(found, record.name, registry, sources)
                except PluginError as error:
                    self._stop(record, error.what)
                    continue
                for component in components:
                    registry.add(component)
                record.components = [f"{component.kind}/{component.name}" for component in components]
            self._settle()
            self._registry = registry
        return self._registry

    def scenario(self, name: str, *, where: str = "") -> Scenario:
        """A scenario by name.

        Raises:
            PluginError: the plugin that brings it is broken or not allowed (with its reason).
            ConfigError: nobody brings it.
        """
        if name in self.scenarios:
            return self.scenarios[name]
        raise self._missing("scenario", name, self.scenarios, where)

    def component(self, kind: str, name: str, *, where: str = "") -> Component:
        """A component by kind and name; errors as in :meth:`scenario`."""
        known = self.registry.names(kind)
        if name in known:
            return self.registry.get(kind, name)
        raise self._missing(kind, name, known, where)

    def call(self, hook: str, **arguments: Any) -> dict[str, Any]:
        """Results of a hook by plugin; a plugin that raises is marked as broken and the others still run."""
        return self._manager.call(hook, **arguments)

    def require(self, scenarios: Iterable[str]) -> None:
        """Raise the reason of a plugin that has broken since it brought one of these scenarios.

        Raises:
            PluginError: a run of these scenarios would not be what was asked for.
        """
        for name in scenarios:
            record = self._manager.records[self.providers[name]]
            if record.status != "active":
                raise PluginError(
                    record.complaint(), where=f"scenario '{name}'", fix="mend or update the plugin, and run again"
                )

    def check_tables(self, scenario: str, found: Any) -> None:
        """Raise where ``load`` of a scenario returned something else than tables, naming its plugin."""
        from polyscene.data.tables import Tables  # brings pandas, which listing plugins does not need

        if not isinstance(found, Tables):
            record = self._manager.records[self.providers[scenario]]
            raise PluginError(
                f"plugin '{record.name}' ({record.source}) failed: load() returned {type(found).__name__}",
                where=f"scenario '{scenario}'",
                fix="return polyscene.Tables",
            )

    def config_paths(self) -> list[tuple[str, str]]:
        """``(plugin, Hydra search path entry)`` of the working plugins."""
        working = [record.name for record in self._active()]
        return [(name, path) for name in working for path in self._paths.get(name, ())]

    def _active(self) -> list[PluginRecord]:
        return [record for record in self.records if record.status == "active"]

    def _gather(self, record: PluginRecord) -> None:
        scenarios = self._manager.call("polyscene_scenarios", only=record.name).get(record.name, ())
        paths = self._manager.call("polyscene_config_paths", only=record.name).get(record.name, ())
        if record.status != "active":
            return
        try:
            named = checked_scenarios(scenarios, self._own())
            self._paths[record.name] = checked_paths(paths)
        except PluginError as error:
            self._stop(record, error.what)
            return
        self._brought[record.name] = named
        record.scenarios = sorted(named)
        self._settle()

    def _own(self) -> dict[str, str]:
        """The distribution behind each scenario that is the host's own: no plugin can take such a name."""
        own = {record.name: record.source for record in self.records if record.distribution == OWN_DISTRIBUTION}
        return {name: own[plugin] for name, plugin in self.providers.items() if plugin in own}

    def _stop(self, record: PluginRecord, reason: str) -> None:
        self._manager.stop(record, reason)
        self._settle()

    def _settle(self) -> None:
        """Find out who brings what. A name that several bring is nobody's: which is meant cannot be known."""
        bringing: dict[str, list[PluginRecord]] = {}
        for record in self._active():
            for name in self._brought.get(record.name, ()):
                bringing.setdefault(name, []).append(record)
        self.disputed = {name: records for name, records in bringing.items() if len(records) > 1}
        self.providers = {name: records[0].name for name, records in bringing.items() if len(records) == 1}
        self.scenarios = {name: self._brought[plugin][name] for name, plugin in self.providers.items()}

    def dispute(self, scenario: str) -> str:
        """In one sentence, who brings a scenario that several plugins bring."""
        who = " and ".join(f"plugin '{record.name}' ({record.source})" for record in self.disputed[scenario])
        return f"scenario '{scenario}' is brought by {who}"

    def _missing(self, kind: str, name: str, known: Iterable[str], where: str) -> PluginError | ConfigError:
        if kind == "scenario" and name in self.disputed:
            names = ", ".join(record.name for record in self.disputed[name])
            return PluginError(
                self.dispute(name),
                where=where,
                fix=f"load one of them only ({names}): polyscene --plugins NAME,NAME ..., or uninstall the other",
            )
        for record in self.records:
            offered = name in record.scenarios if kind == "scenario" else f"{kind}/{name}" in record.components
            if record.status != "active" and (offered or (kind == "scenario" and record.name == name)):
                return PluginError(
                    f"{kind} '{name}' is not available: {record.complaint()}",
                    where=where,
                    fix="mend, update or allow the plugin; `polyscene plugins list` shows them all",
                )
        broken = [record.complaint() for record in self.records if record.status == "broken"]
        hint = did_you_mean(name, known)
        # Where no name is close, a plugin that could not be asked may be the one that has it.
        lines = [hint] if hint.startswith("did you mean") else [hint, *broken]
        return ConfigError(f"there is no {kind} called '{name}'", where=where, fix="\n".join(lines))


def load_host(
    allow: Iterable[str] | None = None,
    no_plugins: bool = False,
    candidates: Iterable[Candidate] | None = None,
) -> Host:
    """Discover the installed plugins and load the allowed ones.

    Args:
        allow: names of the plugins to load. ``None`` reads the environment variable ``POLYSCENE_PLUGINS``
            (names with commas between them, or ``none``) and loads all plugins where it is not set.
        no_plugins: load none at all.
        candidates: entry points to choose from; ``None`` searches the installed distributions.

    Raises:
        PluginError: a name on the allow-list is not installed.
    """
    if no_plugins:
        allow = ()
    elif allow is None:
        allow = allowed_by_environment()
    return Host(PluginManager(find_candidates() if candidates is None else candidates, allow))


def allowed_by_environment() -> list[str] | None:
    """Names on the allow-list ``POLYSCENE_PLUGINS``, or ``None`` where it is not set."""
    listed = [name.strip() for name in os.environ.get(ALLOW_VARIABLE, "").split(",") if name.strip()]
    if listed == [NO_PLUGINS]:
        return []
    return listed or None
