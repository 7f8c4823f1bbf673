"""Adds the config folders of plugins and one's own to Hydra's search path, and names without file to its store."""

from __future__ import annotations

import importlib.resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from polyscene.config.folder import conf_dir, own_dir
from polyscene.registry.host import Host

COMPONENT_GROUPS = ("fusion", "sequence", "adapter", "router", "strategy", "balancer", "logger")
"""Config groups that choose a component: the group is the component's kind."""


class PluginConfigs(SearchPathPlugin):
    """Hydra asks this class for further config folders whenever it composes."""

    paths: ClassVar[list[tuple[str, str]]] = []

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for provider, path in self.paths:
            search_path.append(provider=provider, path=path)


def install(host: Host) -> None:
    """Let Hydra compose what this host offers.

    Scenarios and components without a config file can be chosen as well: they start from their defaults.
    """
    own = own_dir()
    PluginConfigs.paths = [(f"plugin {plugin}", path) for plugin, path in host.config_paths()]
    PluginConfigs.paths += [("own files", f"file://{own}")] if own else []
    Plugins.instance().register(PluginConfigs)
    store, files = ConfigStore.instance(), config_names(host)
    for name, plugin in host.providers.items():
        if name not in files.get("scenario", ()):
            store.store(group="scenario", name=name, node={}, package=f"scenario.{name}", provider=plugin)
    for component in host.registry:
        kind, name = component.kind, component.name
        if kind in COMPONENT_GROUPS and name not in files.get(kind, ()):
            store.store(group=kind, name=name, node={"name": name}, provider=component.provider)


def config_folders(host: Host) -> list[Traversable]:
    """The core's config folder, those of the working plugins, one's own, in the order in which Hydra searches."""
    folders: list[Traversable] = [conf_dir()]
    for _, path in host.config_paths():
        scheme, _, rest = path.partition("://")
        folders.append(Path(rest) if scheme == "file" else importlib.resources.files(rest))
    own = own_dir()
    return [*folders, own] if own else folders


def config_names(host: Host) -> dict[str, set[str]]:
    """Names of config files by group, over all folders."""
    names: dict[str, set[str]] = {}
    for folder in config_folders(host):
        for group in (one for one in folder.iterdir() if one.is_dir()):
            found = {file.name.removesuffix(".yaml") for file in group.iterdir() if file.name.endswith(".yaml")}
            names.setdefault(group.name, set()).update(found)
    return {group: found for group, found in names.items() if found}
