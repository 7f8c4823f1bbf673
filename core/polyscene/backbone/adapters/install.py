"""Putting adapters around the layers of a pretrained model."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from polyscene.backbone.adapters.adalora import AdaLoraLinear
from polyscene.backbone.adapters.adapted import Adapted
from polyscene.backbone.adapters.bottleneck import BottleneckLinear
from polyscene.backbone.adapters.ia3 import Ia3Linear
from polyscene.backbone.adapters.lora import LoraLinear
from polyscene.backbone.adapters.options import (
    WHERE,
    AdaLoraOptions,
    BottleneckOptions,
    Ia3Options,
    LoraOptions,
    PeftOptions,
    PrefixOptions,
)
from polyscene.backbone.adapters.prefix import PrefixLayer
from polyscene.errors import BackboneError, did_you_mean


@dataclass(frozen=True)
class _Names:
    """How an architecture calls its linear layers."""

    lora: tuple[str, ...] = ("query", "value")
    ia3: tuple[str, ...] = ("key", "value", "output.dense")
    ia3_inputs: tuple[str, ...] = ("output.dense",)
    feed_forward: str = "output.dense"
    attention: str = "attention.output.dense"


# Everything that is not named here speaks like BERT. What peft has for an architecture is the same.
_BERT = _Names()
_NAMES = {
    "distilbert": _Names(
        ("q_lin", "v_lin"), ("k_lin", "v_lin", "lin2"), ("lin2",), "ffn.lin2", "attention.out_lin"
    ),
    "mpnet": _Names(("attn.q", "attn.v"), ("attn.k", "attn.v", "output.dense"), attention="attention.attn.o"),
}


def install(layers: nn.ModuleList, options: PeftOptions, config: Any) -> None:
    """Put adapters around what the options say, in each layer; there are none until they grow.

    Args:
        layers: of the pretrained model; changed in place.
        options: the kind and its options.
        config: the model's config of transformers.

    Raises:
        BackboneError: the layers have nothing that this kind can adapt.
    """
    names = _NAMES.get(config.model_type, _BERT)
    if isinstance(options, PrefixOptions):
        _install_prefixes(layers, options, config)
    elif isinstance(options, BottleneckOptions):
        exact = [names.feed_forward, *([names.attention] if options.placement == "houlsby" else [])]
        for layer in layers:
            for name in exact:
                _require_linear(layer, name)
                _wrap(layer, name, BottleneckLinear(layer.get_submodule(name), options))
    elif isinstance(options, Ia3Options):
        targets = options.targets or names.ia3
        inputs = options.inputs if options.inputs is not None else names.ia3_inputs
        for layer in layers:
            for name in _matching(layer, targets):
                base, scales_input = layer.get_submodule(name), _ends(name, inputs)
                _wrap(layer, name, Ia3Linear(base, options, scales_input=scales_input))
    else:
        assert isinstance(options, LoraOptions | AdaLoraOptions)
        kind = LoraLinear if isinstance(options, LoraOptions) else AdaLoraLinear
        for layer in layers:
            for name in _matching(layer, options.targets or names.lora):
                _wrap(layer, name, kind(layer.get_submodule(name), options))


def _install_prefixes(layers: nn.ModuleList, options: PrefixOptions, config: Any) -> None:
    if any("past_key_values" not in inspect.signature(layer.forward).parameters for layer in layers):
        raise BackboneError(
            f"the layers of a model of type '{config.model_type}' take no keys and values from before, "
            "which prefix tuning needs",
            where=WHERE,
            fix="use another kind (lora, adalora, ia3, bottleneck), or a model of type bert, roberta or electra",
        )
    width, heads = config.hidden_size, config.num_attention_heads
    for index, layer in enumerate(list(layers)):
        layers[index] = PrefixLayer(layer, options, width=width, heads=heads)


def _matching(layer: nn.Module, targets: Sequence[str]) -> list[str]:
    """Names of the layer's linear modules that end in one of the targets, as peft matches them."""
    linear = [name for name, module in layer.named_modules() if isinstance(module, nn.Linear)]
    for target in targets:
        if not any(_ends(name, [target]) for name in linear):
            raise BackboneError(
                f"no linear layer of the backbone ends in '{target}'",
                where=f"{WHERE}.targets",
                fix=did_you_mean(target, linear),
            )
    return [name for name in linear if _ends(name, targets)]


def _ends(name: str, targets: Sequence[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _require_linear(layer: nn.Module, name: str) -> None:
    if not isinstance(dict(layer.named_modules()).get(name), nn.Linear):
        raise BackboneError(
            f"this backbone has no linear layer '{name}' behind which a bottleneck could stand",
            where=WHERE,
            fix="use kind lora and name the targets",
        )


def _wrap(layer: nn.Module, name: str, adapted: Adapted) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(layer.get_submodule(parent), leaf, adapted)
