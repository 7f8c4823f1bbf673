"""Adapters inside the backbone: one per scenario around frozen layers, applied to a mixed batch at once."""

from polyscene.backbone.adapters.adalora import AdaLoraLinear
from polyscene.backbone.adapters.adapted import Adapted
from polyscene.backbone.adapters.budget import RankBudget
from polyscene.backbone.adapters.options import OPTIONS, AdaLoraOptions, PeftOptions, PrefixOptions, peft_options

__all__ = [
    "OPTIONS",
    "AdaLoraLinear",
    "AdaLoraOptions",
    "Adapted",
    "PeftOptions",
    "PrefixOptions",
    "RankBudget",
    "peft_options",
]
