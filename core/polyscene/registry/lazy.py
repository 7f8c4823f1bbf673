"""Parts of a plugin that are imported when they are needed, so that listing plugins stays fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from polyscene.registry.components import Component


def imported(module: str, name: str) -> Callable[..., Any]:
    """The function ``name`` of ``module``, imported at its first call.

    Example:
        >>> imported("math", "sqrt")(9)
        3.0
    """

    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arguments, **options)

    call.__qualname__ = call.__name__ = name
    return call


def components_of(package: str, *modules: str) -> list[Component]:
    """The components of some modules of a plugin: what each lists as ``COMPONENTS``.

    Args:
        package: the plugin's package, usually its ``__name__``.
        modules: names of modules inside it.
    """
    return [component for name in modules for component in importlib.import_module(f"{package}.{name}").COMPONENTS]
