"""A causal transformer over the history."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyscene.dropout import Dropout
from polyscene.errors import ConfigError, Problems
from polyscene.sequence.model import SequenceModel, with_start


@dataclass
class CausalTransformerConfig:
    """Options of the causal transformer.

    Args:
        layers: number of blocks.
        heads: number of heads; divides the model's width.
        expansion: width of the feed-forward layer in multiples of the model's width.
        dropout: on the input, the attention and each block's outputs.
    """

    layers: int = 2
    heads: int = 2
    expansion: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        problems = Problems("sequence 'causal_transformer'")
        for name in ("layers", "heads", "expansion"):
            if getattr(self, name) < 1:
                problems.add(f"{name} is {getattr(self, name)}", fix="use 1 or more")
        if not 0 <= self.dropout < 1:
            problems.add(f"dropout is {self.dropout}", fix="use a number from 0 to below 1")
        problems.raise_if_any(ConfigError)


class CausalTransformer(SequenceModel):
    """Pre-norm transformer with a causal mask and learned positions [SASRec, ICDM'18].

    The user's own vector is the first token. Rows without order get no positions. That alone would not do, as a
    causal mask over several blocks tells the order too: in their rows a step sees only the first token and itself
    in all blocks but the last, and the last block reads all steps from the first token, which makes a state a
    function of the set of steps.
    """

    config: CausalTransformerConfig

    def __init__(self, config: CausalTransformerConfig, d_model: int, max_length: int) -> None:
        super().__init__(config, d_model, max_length)
        if d_model % config.heads:
            raise ConfigError(
                f"{config.heads} heads do not divide the width {d_model}",
                where="sequence 'causal_transformer'",
                fix="change sequence.heads or model.d_model",
            )
        self.begin_d = nn.Parameter(0.02 * torch.randn(d_model))
        self.position_Sd = nn.Parameter(0.02 * torch.randn(max_length + 1, d_model))
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config, d_model) for _ in range(config.layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor) -> Tensor:
        h_BSd = self._below(x_BTd, start_Bd, ordered_B)
        reader_BSd = torch.where(ordered_B[:, None, None], h_BSd, h_BSd[:, :1])
        return self.norm(self.blocks[-1](reader_BSd, h_BSd, None))

    def last(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor, length_B: Tensor) -> Tensor:
        h_BSd = self._below(x_BTd, start_Bd, ordered_B)
        # In the last block a state reads those before it, but no other state reads it.
        place_S = torch.arange(h_BSd.shape[1], device=h_BSd.device)
        reader_B = torch.where(ordered_B, length_B, 0)
        reader_B1d = h_BSd.gather(1, reader_B[:, None, None].expand(-1, 1, h_BSd.shape[-1]))
        seen_B1S = place_S <= length_B[:, None, None]
        return self.norm(self.blocks[-1](reader_B1d, h_BSd, seen_B1S.unsqueeze(1)))[:, 0]

    def _below(self, x_BTd: Tensor, start_Bd: Tensor, ordered_B: Tensor) -> Tensor:
        """States ``[B, T + 1, d]`` as the last block reads them."""
        h_BSd = with_start(start_Bd + self.begin_d, x_BTd)
        steps = h_BSd.shape[1]
        h_BSd = self.dropout(h_BSd + ordered_B[:, None, None] * self.position_Sd[:steps])
        if len(self.blocks) > 1:
            seen_BSS = _seen(steps, ordered_B).unsqueeze(1)
            for block in self.blocks[:-1]:
                h_BSd = block(h_BSd, h_BSd, seen_BSS)
        return h_BSd


class _Block(nn.Module):
    """Attention from ``reader`` to ``h`` and a feed-forward layer, both pre-norm and residual."""

    def __init__(self, config: CausalTransformerConfig, d_model: int) -> None:
        super().__init__()
        self.heads, self.attention_dropout = config.heads, config.dropout
        self.attention_norm, self.feed_norm = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.query, self.key_value = nn.Linear(d_model, d_model), nn.Linear(d_model, 2 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.dropout = Dropout(config.dropout)
        hidden = config.expansion * d_model
        self.feed = nn.Sequential(nn.Linear(d_model, hidden), nn.GELU(), self.dropout, nn.Linear(hidden, d_model))

    def forward(self, reader_BSd: Tensor, h_BSd: Tensor, seen: Tensor | None) -> Tensor:
        rows, _, width = h_BSd.shape
        query = self.query(self.attention_norm(reader_BSd))
        key, value = self.key_value(self.attention_norm(h_BSd)).chunk(2, -1)
        attended = nn.functional.scaled_dot_product_attention(
            *(part.view(rows, part.shape[1], self.heads, -1).transpose(1, 2) for part in (query, key, value)),
            attn_mask=seen,
            is_causal=seen is None,
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        attended = attended.transpose(1, 2).reshape(rows, -1, width)
        reader_BSd = reader_BSd + self.dropout(self.out(attended))
        return reader_BSd + self.dropout(self.feed(self.feed_norm(reader_BSd)))


def _seen(steps: int, ordered_B: Tensor) -> Tensor:
    """Bool ``[B, S, S]``: which steps each step sees below the last block."""
    place_S = torch.arange(steps, device=ordered_B.device)
    causal_SS = place_S <= place_S[:, None]
    itself_SS = (place_S == place_S[:, None]) | (place_S == 0)
    return torch.where(ordered_B[:, None, None], causal_SS, itself_SS)
