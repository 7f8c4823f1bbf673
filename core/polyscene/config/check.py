"""Checks config files before anybody runs them: all experiments and all choices, with all plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from polyscene.config.compose import composed, composer
from polyscene.config.recipes import Recipe, recipes
from polyscene.config.resolve import check_train
from polyscene.config.schema import TrainConfig
from polyscene.config.search_path import COMPONENT_GROUPS, config_names
from polyscene.errors import PolysceneError, Problems, did_you_mean
from polyscene.registry.host import Host

EXPERIMENT = "experiment"
_CHOICES = (EXPERIMENT, "scenario", "model", "trainer", *COMPONENT_GROUPS)
"""Groups of which every choice is composed; the others are checked where experiments and scenarios use them."""


def check_configs(host: Host, names: Iterable[str] = ()) -> Iterator[tuple[Recipe, list[str]]]:
    """Compose and validate experiments, and with no names given every choice of the other groups as well.

    Args:
        host: the plugins; what a broken one brings is missing, so a config that needs it is wrong.
        names: only these experiments.

    Returns:
        Each file's head with what is wrong with it, as soon as it is known.
    """
    wanted = list(names)
    known = {recipe.name: recipe for recipe in recipes(host, EXPERIMENT)}
    for name in wanted:
        if name not in known:
            yield Recipe(EXPERIMENT, name, "", "", ""), [f"there is none: {did_you_mean(name, known)}"]
    with composer(host):
        for group in (EXPERIMENT,) if wanted else _CHOICES:
            for recipe in recipes(host, group):
                if not wanted or recipe.name in wanted:
                    yield recipe, [*_problems(recipe, host), *_lacks(recipe)]
        for recipe in _without_file(host) if not wanted else ():
            yield recipe, _problems(recipe, host)


def count_choices(host: Host) -> int:
    """How many choices there are to check."""
    files = sum(len(names) for group, names in config_names(host).items() if group in _CHOICES)
    return files + len(_without_file(host))


def _without_file(host: Host) -> list[Recipe]:
    """Choices that start from their defaults."""
    files = config_names(host)
    known = [(component.kind, component.name) for component in host.registry if component.kind in COMPONENT_GROUPS]
    known += [("scenario", name) for name in host.scenarios]
    return [Recipe(kind, name, "", "", "") for kind, name in known if name not in files.get(kind, ())]


def _problems(recipe: Recipe, host: Host) -> list[str]:
    found = Problems("")
    # Parts are tried with two scenarios, the least that a router or a balancer can be asked about.
    line = f"{recipe.group}={recipe.name}"
    lines = [line] if recipe.group in (EXPERIMENT, "scenario") else [*_two(host), line]
    try:
        check_train(composed("train", lines), host, found, TrainConfig)
    except PolysceneError as error:
        found.add_error(error)
    return found.found


def _lacks(recipe: Recipe) -> list[str]:
    missing = ", ".join(recipe.lacks())
    return [f"the file does not open with {missing}: see conf/README.md"] if missing else []


def _two(host: Host) -> list[str]:
    return [f"scenario=[{','.join(sorted(host.scenarios)[:2])}]"]
