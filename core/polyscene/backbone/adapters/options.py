"""What can be chosen as ``backbone.peft``: one dataclass for each kind of adapter inside the backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from polyscene.config.validate import bounded, from_mapping
from polyscene.errors import ConfigError, Problems, did_you_mean

WHERE = "backbone.peft"


@dataclass
class PeftOptions:
    """What all kinds have in common: one adapter per scenario in the last layers, the layers themselves frozen."""

    name: str
    """The kind."""
    init: dict[str, str] = field(default_factory=dict)
    """By scenario, the folder of a saved adapter to start from, in peft's format or ours."""

    source: ClassVar[str] = ""
    """Where the kind was published, for reports."""


@dataclass
class LoraOptions(PeftOptions):
    """``W + (alpha / rank) B_k A_k`` on chosen linear layers."""

    source: ClassVar[str] = "LoRA [Hu et al., ICLR'22]"

    name: str = "lora"
    rank: int = bounded(8, at_least=1)
    """Rank r of the change."""
    alpha: float = bounded(16.0, at_least=0)
    """The change is scaled by alpha / rank."""
    targets: list[str] | None = None
    """Ends of the names of linear layers; null takes queries and values, as peft does."""


@dataclass
class AdaLoraOptions(PeftOptions):
    """``W + (alpha / rank) B_k diag(E_k) A_k``; unimportant directions are given up while training."""

    source: ClassVar[str] = "AdaLoRA [Zhang et al., ICLR'23]"

    name: str = "adalora"
    rank: int = bounded(12, at_least=1)
    """Rank of every layer at the start."""
    target_rank: int = bounded(8, at_least=1)
    """Rank that a layer keeps on average; which layers keep more is learned for each scenario."""
    alpha: float = bounded(16.0, at_least=0)
    """The change is scaled by alpha / rank."""
    targets: list[str] | None = None
    """Ends of the names of linear layers; null takes queries and values, as peft does for BERT."""
    warmup: float = bounded(0.1, at_least=0, at_most=1)
    """Share of the steps before directions are given up."""
    settle: float = bounded(0.3, at_least=0, at_most=1)
    """Share of the steps at the end in which the ranks stay."""
    every: int = bounded(10, at_least=1)
    """Steps from one choice of directions to the next."""
    orthogonality: float = bounded(0.1, at_least=0)
    """Weight of the penalty that keeps rows of A and columns of B orthonormal."""
    smoothing: float = bounded(0.85, at_least=0, at_most=1)
    """How much of the past the moving averages of importance keep at a step."""

    def __post_init__(self) -> None:
        problems = Problems("adalora")
        if self.target_rank > self.rank:
            problems.add(
                f"target_rank is {self.target_rank}, above rank={self.rank}", fix="start with a larger rank"
            )
        if self.warmup + self.settle >= 1:
            problems.add(
                f"warmup={self.warmup} and settle={self.settle} leave no steps between them",
                fix="their sum must stay below 1",
            )
        problems.raise_if_any(ConfigError)


@dataclass
class Ia3Options(PeftOptions):
    """Vectors that scale keys, values and what enters the second half of a feed-forward block."""

    source: ClassVar[str] = "(IA)3 [Liu et al., NeurIPS'22]"

    name: str = "ia3"
    targets: list[str] | None = None
    """Ends of the names of linear layers; null takes keys, values and dense outputs, as peft does for BERT."""
    inputs: list[str] | None = None
    """Those of the targets whose input is scaled instead of their output (peft: ``feedforward_modules``)."""


@dataclass
class PrefixOptions(PeftOptions):
    """Learned keys and values that every token attends to, in each layer."""

    source: ClassVar[str] = "prefix tuning [Li and Liang, ACL'21; P-tuning v2, Liu et al., ACL'22]"

    name: str = "prefix"
    tokens: int = bounded(8, at_least=1)
    """Number of learned tokens."""


@dataclass
class BottleneckOptions(PeftOptions):
    """A narrow detour after dense outputs. Not a kind of peft: saved in our own format."""

    source: ClassVar[str] = "adapters [Houlsby et al., ICML'19; Pfeiffer et al., EACL'21]"

    name: str = "bottleneck"
    rank: int = bounded(16, at_least=1)
    """Width of the detour."""
    placement: Literal["pfeiffer", "houlsby"] = "pfeiffer"
    """After the feed-forward block only, or after attention as well."""


OPTIONS: dict[str, type[PeftOptions]] = {
    "lora": LoraOptions,
    "adalora": AdaLoraOptions,
    "ia3": Ia3Options,
    "prefix": PrefixOptions,
    "bottleneck": BottleneckOptions,
}

_VARIANTS_OF_LORA = ("dora", "use_dora", "qalora", "use_qalora")


def peft_options(value: Any) -> PeftOptions | None:
    """The options that ``backbone.peft`` stands for: ``None``, ``NAME`` or ``{name: NAME, option: value, ...}``.

    Raises:
        ConfigError: no such kind, one whose adapters cannot be mixed in a batch, or wrong options; all at once.
    """
    if value is None or isinstance(value, PeftOptions):
        return value
    mapping: Any = {"name": value} if isinstance(value, str) else value
    name = mapping.get("name") if isinstance(mapping, Mapping) else None
    if not isinstance(name, str):
        raise ConfigError(
            "backbone.peft names no kind", fix=f"write backbone.peft={{name: NAME}}. Known: {', '.join(OPTIONS)}"
        )
    for variant in _VARIANTS_OF_LORA:
        if name.lower() == variant or mapping.get(variant):
            raise _cannot_be_mixed(
                variant.removeprefix("use_"), "its norms need the merged weight of each adapter"
            )
    if name not in OPTIONS:
        raise _unknown(name)
    problems = Problems(WHERE)
    options = from_mapping(OPTIONS[name], mapping, problems, WHERE)
    problems.raise_if_any(ConfigError)
    return options


def _unknown(name: str) -> ConfigError:
    from peft import PeftType  # seconds to import: only where a name is not ours

    if name.upper() in PeftType.__members__:
        return _cannot_be_mixed(name, "only the kinds below are applied row by row here")
    return ConfigError(f"there is no kind '{name}'", where=WHERE, fix=did_you_mean(name, OPTIONS))


def _cannot_be_mixed(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"adapters of the peft method '{name}' cannot be mixed in a batch ({reason})",
        where=WHERE,
        fix=f"use one of {', '.join(OPTIONS)}",
    )
