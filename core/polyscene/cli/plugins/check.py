"""What ``polyscene plugins check`` does."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from polyscene.cli.plugins.verdict import Verdict
from polyscene.config.compose import prepare_train
from polyscene.config.search_path import COMPONENT_GROUPS
from polyscene.errors import PluginError, PolysceneError, did_you_mean
from polyscene.registry.discovery import Candidate, find_candidates, shipped_configs
from polyscene.registry.host import Host, allowed_by_environment, load_host
from polyscene.registry.records import PluginRecord
from polyscene.registry.source_tree import candidates_in


def check_plugins(given: Sequence[str]) -> int:
    """Check the plugins in folders, or installed ones, beside all that are installed.

    Args:
        given: folders and names of plugins.

    Returns:
        0, or 1 where something fails.

    Raises:
        PluginError: there is nothing to check, or no pytest to check it with.
    """
    if importlib.util.find_spec("pytest") is None:
        raise PluginError(
            "the checks are tests and need pytest",
            where="polyscene plugins check",
            fix="install the extra: pip install 'polyscene[testing]'",
        )
    from polyscene.cli.plugins.kit import check_suites

    candidates = [candidate for one in given for candidate in _candidates(one)]
    host = _host_with(candidates)
    assert host.registry is not None  # loads the components, whose faults count as well
    verdict = Verdict()
    for candidate in candidates:
        record = _record_of(candidate, host)
        verdict.title(record)
        if record.status != "active":
            verdict.add("it can be loaded", f"{record.reason}{_mend(record.reason)}")
            continue
        verdict.add("it can be loaded")
        for what, complaint in _checked_configs(record, host):
            verdict.add(what, complaint)
        check_suites(record, host, verdict)
    return verdict.end()


def _candidates(given: str) -> list[Candidate]:
    if Path(given).is_dir():
        return candidates_in(Path(given))
    installed = find_candidates()
    found = [candidate for candidate in installed if candidate.name == given]
    if not found:
        raise PluginError(
            f"'{given}' is neither a folder nor an installed plugin",
            where="polyscene plugins check",
            fix=did_you_mean(given, [candidate.name for candidate in installed]),
        )
    return found


def _host_with(candidates: list[Candidate]) -> Host:
    """A host with these plugins in place of installed ones of the same distribution, the others beside them."""
    distributions = {candidate.distribution for candidate in candidates}
    others = [one for one in find_candidates() if one.distribution not in distributions or one in candidates]
    allowed = allowed_by_environment()
    if allowed is not None:
        allowed += [candidate.name for candidate in candidates]
    return load_host(allowed, candidates=[*others, *(one for one in candidates if one not in others)])


def _record_of(candidate: Candidate, host: Host) -> PluginRecord:
    [record] = [
        one
        for one in host.records
        if (one.name, one.module, one.distribution)
        == (candidate.name, candidate.entry_point.value, candidate.distribution)
    ]
    return record


def _mend(reason: str) -> str:
    """What to do about a plugin that cannot be loaded, where the reason does not say so itself."""
    if reason.startswith("it cannot be imported"):
        return "\nmend that line, or install what it imports and add it to the dependencies"
    if reason.startswith("its hook"):
        return "\nmend that line; the docstring of each hook in polyscene.hooks is a working example"
    return ""


def _checked_configs(record: PluginRecord, host: Host) -> Iterator[tuple[str, str]]:
    """Each choice that the plugin adds to a config, composed and checked, with what is wrong with it."""
    scenarios = [*record.scenarios, *sorted(host.scenarios)]
    choices = [["experiment=none", f"scenario=[{name}]"] for name in record.scenarios]
    for kind, name in (component.split("/") for component in record.components):
        if kind in COMPONENT_GROUPS and scenarios:
            choices.append(["experiment=none", f"scenario=[{scenarios[0]}]", f"{kind}={name}"])
    shipped = [name for group, name in shipped_configs(record.module) if group == "experiment"]
    choices += [[f"experiment={name}"] for name in shipped]
    for overrides in choices:
        try:
            prepare_train(overrides, host)
        except PolysceneError as error:
            yield f"config {overrides[-1]}", str(error)
        else:
            yield f"config {overrides[-1]}", ""
