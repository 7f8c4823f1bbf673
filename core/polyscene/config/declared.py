"""Checks of what a scenario declares: encoders, tasks and splits must exist and take the given options."""

from __future__ import annotations

from collections import Counter

from polyscene.config.choice import Choice, choose, chosen
from polyscene.config.schema import TrainConfig
from polyscene.data.scenario import Scenario, ScenarioConfig
from polyscene.errors import Problems, did_you_mean
from polyscene.registry.host import Host

AUTO = "auto"
"""A scenario's ``dataset`` may say this where the plugin chooses by what is at hand."""


def check_declaration(scenario: Scenario, host: Host, problems: Problems, *, asked: bool = False) -> None:
    """Check the columns, tasks and priors of a scenario against the registered components.

    Args:
        scenario: what the plugin declares.
        host: knows the components.
        problems: receives one line per mistake, naming the scenario.
        asked: whether a config names the priors. Those of the plugin may stand beside a task that has no use for
            them, as another task may have been chosen.
    """
    owner = f"scenario {scenario.name} (plugin {host.providers.get(scenario.name, '?')})"
    tables = (
        ("items", scenario.item_columns),
        ("users", scenario.user_columns),
        ("events", scenario.event_columns),
    )
    for table, columns in tables:
        for column in columns:
            where = f"{owner}: {table} column '{column.name or 'id'}'"
            choose("encoder", {**column.options, "name": column.encoder_name}, host, problems, where)
    for task in scenario.tasks:
        where = f"{owner}: task '{task.name}'"
        choice = choose("task", {**task.options, "name": task.name}, host, problems, where)
        if choice and len(scenario.tasks) > 1 and getattr(choice.component.build, "alone", False):
            problems.add(f"{where} stands beside others", fix="leave them out: its states are of no use to them")

    for prior in scenario.priors:
        choose("prior", {**prior.options, "name": prior.name}, host, problems, f"{owner}: prior '{prior.name}'")
    for name, count in Counter(prior.name for prior in scenario.priors).items():
        if count > 1:
            problems.add(f"{owner}: prior '{name}' is named {count} times", fix="name each once")
    first = next(task.name for task in scenario.tasks)
    if asked:
        _check_fit(owner, first, [prior.name for prior in scenario.priors], host, problems)


def _check_fit(owner: str, task: str, priors: list[str], host: Host, problems: Problems) -> None:
    """Whether priors say something of what a task ranks; of what does not exist nothing is said here."""
    if (component := host.registry.find("task", task)) is None or not priors:
        return
    if getattr(component.build, "judges", False) or getattr(component.build, "reads_together", False):
        problems.add(f"{owner}: priors beside the task '{task}', which has no use for them", fix="leave them out")
        return
    facts = not getattr(component.build, "from_history", True)
    for name in priors:
        prior = host.registry.find("prior", name)
        if prior is None or getattr(prior.build, "of_facts", False) == facts:
            continue
        problems.add(
            f"{owner}: prior '{name}' counts {'what users have' if facts else 'facts'}, and the task '{task}' "
            f"{'completes facts' if facts else 'ranks for users'}",
            fix="choose 'shared_facts'" if facts else "choose 'linear' or 'co_occurrence'",
        )


def check_options(name: str, options: ScenarioConfig, datasets: set[str], host: Host, problems: Problems) -> None:
    """Check the options of a scenario that refer to something else: its split, its adapter and its data set.

    The adapter is then written out with all its options, so that the resolved config says what was trained.
    """
    choose("split", options.split, host, problems, f"scenario.{name}.split")
    if options.adapter is not None:
        adapter = choose("adapter", options.adapter, host, problems, f"scenario.{name}.adapter")
        options.adapter = adapter.as_mapping() if adapter else options.adapter
    if options.shots is not None and options.resample:
        problems.add(
            f"'scenario.{name}.resample' is {options.resample}, but all shots come up alike",
            fix="leave out resample or shots",
        )
    if options.dataset not in {"", AUTO, *datasets}:
        problems.add(
            f"'scenario.{name}.dataset' is '{options.dataset}', which no config declares",
            fix=did_you_mean(options.dataset, datasets),
        )


def adapter_of(config: TrainConfig, options: ScenarioConfig, host: Host) -> Choice:
    """The adapter of a scenario: what its options name, else what the run's config names."""
    return config.adapter if options.adapter is None else chosen("adapter", options.adapter, host)
