"""The plugin manager: loads each plugin in its own try and calls each hook implementation in its own try."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pluggy

from polyscene import hooks
from polyscene.errors import PluginError, PolysceneError, did_you_mean
from polyscene.registry import trace
from polyscene.registry.discovery import Candidate, shipped_configs
from polyscene.registry.records import PluginRecord

_log = logging.getLogger(__name__)


class PluginManager:
    """Plugins by name, on :mod:`pluggy`, with faults kept where they happen.

    Args:
        candidates: what :func:`polyscene.registry.discovery.find_candidates` found, in load order.
        allow: names of the plugins that may be loaded; ``None`` allows all.

    Raises:
        PluginError: a name in ``allow`` is not installed.
    """

    def __init__(self, candidates: Iterable[Candidate], allow: Iterable[str] | None = None) -> None:
        self._pluggy = pluggy.PluginManager(hooks.NAMESPACE)
        self._pluggy.add_hookspecs(hooks)
        self.records: dict[str, PluginRecord] = {}
        if trace.is_asked_for():
            trace.trace(self._pluggy, lambda name: self.records[name].source)
        candidates = list(candidates)
        allowed = None if allow is None else set(allow)
        _check_allowed(allowed, {candidate.name for candidate in candidates})
        for candidate in candidates:
            record = PluginRecord.of(candidate)
            twin = self.records.get(record.name)
            if twin is not None:
                record.stop("broken", f"the plugin name '{record.name}' is already taken by {twin.source}")
                self.records[f"{record.name} ({record.source})"] = record
                continue
            self.records[record.name] = record
            if allowed is not None and record.name not in allowed:
                record.stop("disabled", "it is not on the list of allowed plugins (--plugins, POLYSCENE_PLUGINS)")
            else:
                self._load(candidate, record)
            if record.status == "disabled":
                _note_shipped(record)

    def _load(self, candidate: Candidate, record: PluginRecord) -> None:
        try:
            module = candidate.entry_point.load()
        except (Exception, SystemExit) as error:
            self.stop(record, f"it cannot be imported: {describe(error)}")
            return
        try:
            record.api = _checked_api(getattr(module, "POLYSCENE_API", None))
            self._pluggy.register(module, name=record.name)
            record.hooks = self._checked_hooks(module)
        except (PluginError, pluggy.PluginValidationError, ValueError) as error:
            self.stop(record, _first_line(error))

    def _checked_hooks(self, module: Any) -> list[str]:
        known = {name for name in vars(hooks) if name.startswith(f"{hooks.NAMESPACE}_")}
        callers = self._pluggy.get_hookcallers(module) or []
        for caller in callers:
            if not caller.has_spec():
                raise PluginError(
                    f"it implements the unknown hook '{caller.name}', {did_you_mean(caller.name, known)}"
                )
            for implementation in caller.get_hookimpls():
                if implementation.plugin is module and (implementation.wrapper or implementation.hookwrapper):
                    raise PluginError(f"its hook '{caller.name}' is a wrapper; plain functions only")
        return sorted(caller.name for caller in callers)

    def stop(self, record: PluginRecord, reason: str) -> None:
        """Mark a plugin as broken and stop calling it."""
        record.stop("broken", reason)
        _note_shipped(record)
        if self._pluggy.has_plugin(record.name):
            self._pluggy.unregister(name=record.name)

    def call(
        self, hook: str, *, only: str = "", check: Callable[[Any], Any] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Call a hook of every active plugin (or of one) and return the results by plugin, in load order.

        What ``check`` raises about a result counts as the plugin's failure; what it returns is the result.
        A plugin that raises is marked as broken with its reason, and the others are called all the same; where all
        plugins are called, this is logged, as a run goes on without it.
        Iterables are read to their end here, so that a generator that raises is caught as well.
        """
        order = list(self.records)
        implementations = sorted(
            getattr(self._pluggy.hook, hook).get_hookimpls(),
            key=lambda one: (one.trylast - one.tryfirst, order.index(one.plugin_name)),
        )
        results: dict[str, Any] = {}
        for one in implementations:
            if only and one.plugin_name != only:
                continue
            record = self.records[one.plugin_name]
            try:
                result = _read_out(self._ask(record.name, hook, arguments))
                results[record.name] = result if check is None else check(result)
            except PluginError as error:
                self._fail(record, f"its hook {hook} failed: {error.what}", only)
            except (Exception, SystemExit) as error:
                self._fail(record, f"its hook {hook} failed: {describe(error)}", only)
        return results

    def _fail(self, record: PluginRecord, reason: str, only: str) -> None:
        self.stop(record, reason)
        if not only:
            _log.warning("%s", record.complaint())

    def _ask(self, plugin: str, hook: str, arguments: dict[str, Any]) -> Any:
        """What one plugin answers; by way of pluggy, which tells the trace."""
        others = [module for name, module in self._pluggy.list_name_plugin() if name != plugin]
        answers = self._pluggy.subset_hook_caller(hook, others)(**arguments)
        return answers[0] if answers else None


def describe(error: BaseException) -> str:
    """An error in one line with the place that raised it: ``KeyError: 'x' (my_plugin/data.py:12)``."""
    message = _first_line(error)
    name = "" if isinstance(error, PolysceneError) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        place: tuple[str, int | None] | None = (error.filename, error.lineno)
    else:
        outside = [frame for frame in frames if "importlib" not in frame.filename]
        place = (outside[-1].filename, outside[-1].lineno) if outside else None
    here = Path(__file__).name
    where = ""
    if place is not None and Path(place[0]).name != here:
        where = f" ({'/'.join(Path(place[0]).parts[-2:])}:{place[1]})"
    return ": ".join(part for part in (name, message) if part) + where


def _read_out(result: Any) -> Any:
    is_iterator = hasattr(result, "__next__")
    return list(result) if is_iterator else result


def _first_line(error: BaseException) -> str:
    text = getattr(error, "msg", None) if isinstance(error, SyntaxError) else str(error)
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if isinstance(error, pluggy.PluginValidationError):
        # pluggy spreads the point over several lines and opens with the plugin's name, which we print ourselves.
        return " ".join(lines[1:]) or lines[0]
    return lines[0] if lines else type(error).__name__


def _note_shipped(record: PluginRecord) -> None:
    shipped = shipped_configs(record.module)
    if not record.scenarios:
        record.scenarios = [name for group, name in shipped if group == "scenario"]
    if not record.components:
        record.components = [f"{group}/{name}" for group, name in shipped if group not in ("scenario", "dataset")]


def _checked_api(stated: object) -> str:
    host = ".".join(map(str, hooks.API_VERSION))
    if not isinstance(stated, str):
        raise PluginError(f'it states no API version; add POLYSCENE_API = "{host}" to its module')
    try:
        major, minor = (int(part) for part in stated.split("."))
    except ValueError:
        raise PluginError(f"its POLYSCENE_API is {stated!r}, not of the form 'major.minor'") from None
    if major != hooks.API_VERSION[0] or minor > hooks.API_VERSION[1]:
        raise PluginError(
            f"it was written for API {stated} and this polyscene has API {host}; install matching versions"
        )
    return stated


def _check_allowed(allowed: set[str] | None, installed: set[str]) -> None:
    unknown = sorted((allowed or set()) - installed)
    if unknown:
        raise PluginError(
            f"no plugin is called {', '.join(map(repr, unknown))}",
            where="--plugins or POLYSCENE_PLUGINS",
            fix=did_you_mean(unknown[0], installed),
        )
