"""Backbones with adapters inside, and peft's own models beside them."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from polyscene.adapters.bank import Routing
from polyscene.backbone import Backbone, BackboneConfig, Suffix
from polyscene.backbone.loading import load_tokenizer
from polyscene.backbone.pooling import pool
from polyscene.data.access import DataAccess

TEXTS = ["Whole milk, 1 gallon", "The Godfather. 1972. Crime Drama", "a", "a long walk by the sea"]

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"name": "lora", "rank": 4},
    "adalora": {"name": "adalora", "rank": 4, "target_rank": 2},
    "ia3": {"name": "ia3"},
    "prefix": {"name": "prefix", "tokens": 3},
    "pfeiffer": {"name": "bottleneck", "rank": 4},
    "houlsby": {"name": "bottleneck", "rank": 4, "placement": "houlsby"},
}


def backbone(model: Path, cache: Path, peft: Any = None, tune: str = "suffix", **options: Any) -> Backbone:
    """A backbone whose last two layers are tuned."""
    config = BackboneConfig(model=str(model), dtype="float32", tune=tune, max_len=32, peft=peft, **options)
    return Backbone(config, DataAccess(cache=cache), progress=False)


def filled(suffix: Suffix, *scenarios: str, seed: int = 0) -> Suffix:
    """The suffix with adapters that do something."""
    generator = torch.Generator().manual_seed(seed)
    for name in scenarios:
        suffix.join(name)
    with torch.no_grad():
        for parameter in suffix.scenario_parameters().values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return suffix


def inputs(of: Backbone) -> tuple[Tensor, Tensor]:
    """States in full precision that enter the suffix, and the mask, of :data:`TEXTS`."""
    ids, mask = tokens(of.folder)
    with torch.no_grad():
        return of._below()(input_ids=ids, attention_mask=mask).last_hidden_state, mask


@cache
def tokens(folder: Path) -> tuple[Tensor, Tensor]:
    """Token ids and mask of :data:`TEXTS`."""
    found = load_tokenizer(folder)(TEXTS, padding=True, return_tensors="pt")
    return found["input_ids"], found["attention_mask"]


def whole_model(folder: Path) -> PreTrainedModel:
    """The pretrained model by transformers alone, as a user of peft would load it."""
    return copy.deepcopy(_loaded(folder))


@cache
def _loaded(folder: Path) -> PreTrainedModel:
    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def vectors(model: nn.Module, folder: Path) -> Tensor:
    """Pooled vectors of :data:`TEXTS` through a whole model."""
    ids, mask = tokens(folder)
    with torch.no_grad():
        return pool(model(input_ids=ids, attention_mask=mask).last_hidden_state, mask, "mean", normalize=True)


def one(index: int, rows: int) -> Routing:
    """All rows of one scenario."""
    return Routing.of_segments([(index, rows)], "cpu")
