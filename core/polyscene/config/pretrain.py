"""The options of ``polyscene pretrain``: where texts come from, and how the backbone learns them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from polyscene.config.compose import composer, first_values
from polyscene.config.overrides import check_overrides
from polyscene.config.resolve import check_train
from polyscene.config.schema import TrainConfig
from polyscene.config.search_path import COMPONENT_GROUPS
from polyscene.config.validate import bounded
from polyscene.errors import ConfigError, Problems
from polyscene.registry.host import Host

_MEANINGLESS = {*COMPONENT_GROUPS, "model", "controls", "auxiliary"}
"""Keys of what stands above the backbone."""


@dataclass
class PretrainConfig(TrainConfig):
    """Further training of the backbone on the scenarios' texts; ``trainer.batch_rows`` are texts in a batch."""

    tune: Literal["full", "lora"] = "full"
    """What is trained: all weights, or a change of low rank that is merged into them at the end."""
    rank: int = bounded(16, at_least=1)
    """Rank of that change, if ``tune`` is ``lora``."""
    alpha: float = bounded(32.0, at_least=0)
    """The change is scaled by alpha / rank."""
    mask: float = bounded(0.15, at_least=0.01, at_most=0.9)
    """Share of words that are hidden from a masked language model; one in each text at least."""
    held_out: float = bounded(0.1, at_least=0.001, at_most=0.5)
    """Share of texts that are kept out, to measure perplexity and what became of retrieval."""
    head_steps: int = bounded(100, at_least=0)
    """Steps that train the head alone before ``trainer.steps``, where the checkpoint has none: a new head would
    send noise into the backbone [Kumar et al., ICLR'22]."""
    head_lr: float = bounded(2e-3, at_least=0)
    """Learning rate of these steps."""


def prepare_pretrain(given: Iterable[str], host: Host) -> PretrainConfig:
    """The checked config of a command line.

    Args:
        given: what was typed.
        host: the plugins.

    Raises:
        ConfigError: everything that is wrong, in one message.
    """
    problems = Problems("config")
    with composer(host):
        checked = check_overrides("pretrain", given, host, problems)
        for line in checked.lines:
            key = line.lstrip("+~").partition("=")[0].split(".")[0]
            if key in _MEANINGLESS:
                problems.add(f"'{line.lstrip('+~')}': nothing above the backbone is trained", fix="leave it out")
        mapping = first_values("pretrain", checked)
    config = check_pretrain(mapping, host, problems)
    problems.raise_if_any(ConfigError)
    assert config is not None
    return config


def check_pretrain(mapping: Mapping[str, Any], host: Host, problems: Problems) -> PretrainConfig | None:
    """As :func:`prepare_pretrain`, from composed values, adding what is wrong to ``problems``."""
    before = len(problems.found)
    config = check_train(mapping, host, problems, PretrainConfig)
    if config is None:
        return None
    if config.backbone.tune != "frozen":
        problems.add(
            f"'backbone.tune' is {config.backbone.tune}, but that is for training scenarios",
            fix="leave it out; tune=full or tune=lora says what is trained here",
        )
    return config if len(problems.found) == before else None
