"""Text through the shared backbone, then a projection to the model's width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.errors import CheckpointError, ConfigError, Problems
from polyscene.features.encoder import Encoder, FitContext


@dataclass
class TextEncoderConfig:
    """Options of the text encoder.

    Args:
        own_projection: give this column a projection of its own instead of the one that all scenarios share.
        whitening: number of parametric whitening experts that replace the linear projection; 0 for none.
        dtype: ``float32``, or ``float16`` to keep the frozen vectors in half the memory.
    """

    own_projection: bool = False
    whitening: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        problems = Problems("encoder 'text'")
        if self.whitening < 0:
            problems.add(f"whitening is {self.whitening}", fix="use 0 (none) or a number of experts")
        if self.dtype not in ("float32", "float16"):
            problems.add(f"dtype is '{self.dtype}'", fix="use float32 or float16")
        problems.raise_if_any(ConfigError)


class TextEncoder(Encoder):
    """Frozen backbone vectors, projected: ``[..., d_model]``.

    Equal texts are kept once. A row without text gets a learned vector of its own, because the backbone's vector
    of the empty string means nothing.
    """

    config: TextEncoderConfig
    text_N: Tensor
    vector_Mh: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        self._create(context)

    def fitted(self) -> dict[str, Any]:
        return {"embedding_dim": self.embedding_dim}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        if fitted["embedding_dim"] != context.embedding_dim:
            raise CheckpointError(
                f"the checkpoint was made with text vectors of width {fitted['embedding_dim']}, "
                f"this backbone gives {context.embedding_dim}",
                where=context.owner,
                fix="use the backbone of the run",
            )
        self._create(context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, texts = pd.factorize(values.fillna("").astype(str).str.strip())
        position = {text: index for index, text in enumerate(text for text in texts if text)}
        # Position 0 stands for 'no text'; its vector is never read.
        text_M = torch.tensor([position[text] + 1 if text else 0 for text in texts], dtype=torch.int32)
        vector_Mh = torch.zeros(len(position) + 1, self.embedding_dim, dtype=getattr(torch, self.config.dtype))
        if position:
            vector_Mh[1:] = context.embed_texts(list(position)).to(vector_Mh)
        self.register_rows("text_N", text_M[torch.from_numpy(code_N)])
        self.register_rows("vector_Mh", vector_Mh)

    def forward(self, row: Tensor) -> Tensor:
        text = self.text_N[row]
        projection = self.projection if self.config.own_projection else self.shared["projection"]
        projected = projection(self.vector_Mh[text].to(self.no_text_d.dtype))
        return torch.where((text == 0).unsqueeze(-1), self.no_text_d, projected)

    def _create(self, context: FitContext) -> None:
        experts, self.embedding_dim, self.out_dim = self.config.whitening, context.embedding_dim, context.d_model

        def create() -> nn.Module:
            if experts:
                return ParametricWhitening(context.embedding_dim, context.d_model, experts)
            return nn.Linear(context.embedding_dim, context.d_model)

        if self.config.own_projection:
            self.projection = create()
        else:
            self.shared["projection"] = context.shared.get(
                f"text-whitening-{experts}" if experts else "text", create
            )
        self.no_text_d = nn.Parameter(0.02 * torch.randn(context.d_model))


class ParametricWhitening(nn.Module):
    """``sum_g softmax(G x)_g (x - b_g) W_g`` [UniSRec, KDD'22, eq. 2 and 4, without the noise on the gate]."""

    def __init__(self, in_dim: int, out_dim: int, experts: int) -> None:
        super().__init__()
        self.shift_gh = nn.Parameter(torch.zeros(experts, in_dim))
        self.weight_ghd = nn.Parameter(torch.randn(experts, in_dim, out_dim) / in_dim**0.5)
        self.gate = nn.Linear(in_dim, experts, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Whitened vectors ``[..., out_dim]`` of ``x [..., in_dim]``."""
        offset_gd = torch.einsum("gh,ghd->gd", self.shift_gh, self.weight_ghd)
        white = torch.einsum("...h,ghd->...gd", x, self.weight_ghd) - offset_gd
        return (self.gate(x).softmax(-1).unsqueeze(-1) * white).sum(-2)
