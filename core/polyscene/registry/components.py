"""Components: named building blocks that a config can choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from polyscene.errors import ConfigError, PluginError, did_you_mean

KINDS = (
    "encoder",
    "fusion",
    "sequence",
    "adapter",
    "router",
    "task",
    "loss",
    "balancer",
    "metric",
    "prior",
    "split",
    "baseline",
    "strategy",
    "auxiliary",
    "logger",
    "policy",
)


@dataclass(frozen=True)
class Component:
    """A building block offered to configs under ``kind`` and ``name``.

    Args:
        kind: one of :data:`KINDS`.
        name: the name that a config uses, unique within its kind.
        build: called as ``build(config, **context)``, where ``config`` is an instance of ``config``
            and the context is what the kind's contract says (for example ``d_model`` for a fusion).
        config: a dataclass with the component's options; ``None`` if it has none.
        provider: the plugin that brought it, filled in by the registry.
    """

    kind: str
    name: str
    build: Callable[..., Any]
    config: type | None = None
    provider: str = "polyscene"


class Registry:
    """All components by kind and name."""

    def __init__(self, components: Iterable[Component] = ()) -> None:
        self._by_kind: dict[str, dict[str, Component]] = {kind: {} for kind in KINDS}
        for component in components:
            self.add(component)

    def add(self, component: Component) -> None:
        """Register a component; errors as in :meth:`check`."""
        self.check(component)
        self._by_kind[component.kind][component.name] = component

    def check(self, component: Component) -> None:
        """Raise :class:`PluginError` where the kind is unknown or the name is taken; change nothing."""
        if component.kind not in self._by_kind:
            raise PluginError(
                f"component '{component.name}' has the unknown kind '{component.kind}'",
                where=component.provider,
                fix=did_you_mean(component.kind, KINDS),
            )
        names = self._by_kind[component.kind]
        if component.name in names:
            raise PluginError(
                f"{component.kind} '{component.name}' is already registered by {names[component.name].provider}",
                where=component.provider,
                fix="give the component another name",
            )

    def get(self, kind: str, name: str, *, where: str = "") -> Component:
        names = self._by_kind[kind]
        if name not in names:
            raise ConfigError(
                f"there is no {kind} called '{name}'", where=where or kind, fix=did_you_mean(name, names)
            )
        return names[name]

    def find(self, kind: str, name: str) -> Component | None:
        """A component, ``None`` where there is none of that name."""
        return self._by_kind[kind].get(name)

    def names(self, kind: str) -> list[str]:
        return sorted(self._by_kind[kind])

    def __iter__(self) -> Iterator[Component]:
        for names in self._by_kind.values():
            yield from names.values()
