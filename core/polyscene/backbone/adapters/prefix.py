"""Prefix tuning: learned keys and values that the tokens of a text attend to, for each scenario and layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.backbone.adapters.adapted import Adapted
from polyscene.backbone.adapters.options import PeftOptions, PrefixOptions
from polyscene.backbone.adapters.routing import own

_PEFT_NAME = "prompt_embeddings"


class PrefixLayer(Adapted):
    """A layer whose attention sees P learned keys and values before those of its tokens [Li and Liang, ACL'21].

    All scenarios start from the same small random prefix. That is not quite the layer without one: attention is
    shared with the prefix from the first step on.

    Args:
        base: a layer that takes ``past_key_values``.
        options: number of tokens P.
        width: h of the layer.
        heads: number of its attention heads.
    """

    saved_as: ClassVar[Mapping[str, str]] = {"prefix_KPc": _PEFT_NAME}
    starts_as_identity: ClassVar[bool] = False

    options: PrefixOptions
    prefix_KPc: nn.Parameter

    def __init__(self, base: nn.Module, options: PeftOptions, *, width: int, heads: int) -> None:
        self.width, self.heads = width, heads
        super().__init__(base, options)

    def initial(self, count: int) -> dict[str, Tensor]:
        device = next(self.base.parameters()).device
        # A generator of its own: a scenario that is added later starts from the same prefix.
        generator = torch.Generator().manual_seed(0)
        one_Pc = 0.02 * torch.randn(self.options.tokens, 2 * self.width, generator=generator)
        return {"prefix_KPc": one_Pc.to(device).repeat(count, 1, 1)}

    def forward(self, hidden_states: Tensor, attention_mask: Tensor, *args: Any, **kwargs: Any) -> Any:
        prefix_BPc = own(self.prefix_KPc).to(hidden_states.dtype)
        key, value = prefix_BPc.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        kwargs["past_key_values"] = _Past(key, value)
        mask = functional.pad(attention_mask, (self.options.tokens, 0))
        return self.base(hidden_states, mask, *args, **kwargs)

    @classmethod
    def peft_config(
        cls, options: PrefixOptions, modules: Mapping[str, Adapted], *, whole: bool
    ) -> dict[str, Any] | None:
        first = next(iter(modules.values()))
        assert isinstance(first, PrefixLayer)
        if not whole:
            return None  # peft's prefixes reach all layers
        return {
            "peft_type": "PREFIX_TUNING",
            "num_virtual_tokens": options.tokens,
            "token_dim": first.width,
            "num_transformer_submodules": 1,
            "num_attention_heads": first.heads,
            "num_layers": len(modules),
            "encoder_hidden_size": first.width,
            "prefix_projection": False,
        }

    def peft_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.get_parameter(name).shape[1:])

    @classmethod
    def to_file(cls, modules: Mapping[str, Adapted], k: int, *, whole: bool) -> dict[str, Tensor]:
        tensors = super().to_file(modules, k, whole=whole)
        # peft keeps the prefixes of all layers as one matrix.
        return {_PEFT_NAME: torch.cat(list(tensors.values()), 1)} if whole else tensors

    @classmethod
    def from_file(cls, tensors: Mapping[str, Tensor], modules: Mapping[str, Adapted]) -> dict[str, Tensor]:
        whole_Pc = tensors.get(_PEFT_NAME)
        if whole_Pc is None:
            return super().from_file(tensors, modules)
        parts = whole_Pc.tensor_split(len(modules), dim=1)
        return {f"{name}.{_PEFT_NAME}": part for name, part in zip(modules, parts, strict=True)}


class Shifted(nn.Module):
    """A model that counts the positions of its tokens from P on, as peft's prefix tuning makes it do.

    Args:
        model: the part of the model below its layers: nothing in it may look at past keys.
        tokens: P.
    """

    def __init__(self, model: nn.Module, tokens: int) -> None:
        super().__init__()
        self.model, self.tokens = model, tokens

    def forward(self, **inputs: Any) -> Any:
        return self.model(**inputs, past_key_values=_Before(self.tokens))


class _Before:
    """Stands for so many tokens that came before."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def get_seq_length(self, *_: Any) -> int:
        return self.tokens


class _Past(_Before):
    """Keys and values ``[B, heads, P, size]`` that layers take for a cache of transformers to update."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        super().__init__(key.shape[2])
        self.key, self.value = key, value

    def update(self, key: Tensor, value: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return torch.cat([self.key.to(key.dtype), key], 2), torch.cat([self.value.to(value.dtype), value], 2)
