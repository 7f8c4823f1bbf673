"""Checks that sequence model, adapters and router can be built with the model's width, before data is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polyscene.config.choice import Choice
from polyscene.config.declared import adapter_of
from polyscene.config.schema import TrainConfig
from polyscene.errors import PolysceneError, Problems
from polyscene.registry.host import Host


def check_widths(config: TrainConfig, host: Host, problems: Problems) -> None:
    """Add what the constructors of these parts say about the width.

    Args:
        config: a config without other problems.
        host: knows the components.
        problems: receives what does not fit.
    """
    longest = max(options.max_history for options in config.scenario.values())
    _try(config.sequence, config, problems, max_length=longest)
    adapters = [adapter_of(config, options, host) for options in config.scenario.values()]
    check_adapters(config, [config.adapter, *adapters], problems)
    _try(config.router, config, problems, n_scenarios=len(config.scenario))


def check_adapters(config: TrainConfig, adapters: Iterable[Choice], problems: Problems) -> None:
    """Add what the constructors of adapters say about the config's width, once for each distinct choice."""
    tried: list[Choice] = []
    for adapter in adapters:
        if adapter not in tried:
            tried.append(adapter)
            _try(adapter, config, problems, n_scenarios=len(config.scenario))


def _try(choice: Choice, config: TrainConfig, problems: Problems, **context: Any) -> None:
    import torch  # a config alone does not need it

    try:
        # The meta device holds shapes and no numbers: nothing is computed, and no random number is drawn.
        with torch.device("meta"):
            choice.build(d_model=config.model.d_model, **context)
    except PolysceneError as error:
        problems.add_error(error)
    except (RuntimeError, TypeError):
        # What this device cannot do says nothing about the width; training builds the part with numbers.
        return
