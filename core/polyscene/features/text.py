"""Text through the shared backbone, then a projection to the model's width."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing
from polyscene.backbone.suffix import Suffix
from polyscene.errors import CheckpointError, ConfigError, Problems
from polyscene.features.augment import text_variants
from polyscene.features.encoder import Encoder, FitContext, Tunable

# Tokens that go through the trained layers at once where no gradient is needed.
_PORTION_TOKENS = 16_384


@dataclass
class TextEncoderConfig:
    """Options of the text encoder.

    Args:
        own_projection: give this column a projection of its own instead of the one that all scenarios share.
        whitening: number of parametric whitening experts that replace the linear projection; 0 for none.
        dtype: ``float32``, or ``float16`` to keep the frozen vectors in half the memory.
        variants: so many other ways to put each text of the training rows, each of which goes through the backbone
            once; a training step draws one of them or the text itself. 0 reads texts as they are, as evaluation
            always does.
        drop: share of words that a variant leaves out.
        swap: share of words that it replaces by words of like use, as the backbone's input embeddings have it.
    """

    own_projection: bool = False
    whitening: int = 0
    dtype: str = "float32"
    variants: int = 0
    drop: float = 0.1
    swap: float = 0.1

    def __post_init__(self) -> None:
        problems = Problems("encoder 'text'")
        if self.whitening < 0:
            problems.add(f"whitening is {self.whitening}", fix="use 0 (none) or a number of experts")
        if self.variants < 0:
            problems.add(f"variants is {self.variants}", fix="use 0 (none) or a small number such as 4")
        for name in ("drop", "swap"):
            if not 0 <= getattr(self, name) < 1:
                problems.add(f"{name} is {getattr(self, name)}", fix="use a share from 0 to below 1")
        if self.variants > 0 and not self.drop and not self.swap:
            problems.add("variants are asked for, but drop and swap are 0", fix="set one of them, or variants=0")
        if self.dtype not in ("float32", "float16"):
            problems.add(f"dtype is '{self.dtype}'", fix="use float32 or float16")
        problems.raise_if_any(ConfigError)


class TextEncoder(Encoder):
    """Backbone vectors, projected: ``[..., d_model]``.

    Equal texts are kept once. A row without text gets a learned vector of its own, because the backbone's vector
    of the empty string means nothing.

    The vectors are frozen, unless the context has a ``tunable`` backbone: then the rows are the 16-bit states that
    enter its last layers, and these layers, shared by all columns of all scenarios, compute the vectors anew for
    the rows that are asked for, through the scenario's own adapter where the backbone has adapters.
    """

    config: TextEncoderConfig
    text_N: Tensor
    version_MV: Tensor
    vector_Mh: Tensor
    state_Sh: Tensor
    start_M: Tensor
    length_M: Tensor

    augments: bool = False

    def fit(self, values: pd.Series, context: FitContext) -> None:
        self._create(context, initial=True)
        # What was trained before is only served: its variants need not be encoded again.
        self.augments = self.config.variants > 0

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
        self._create(context, initial=False)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, distinct = pd.factorize(values.fillna("").astype(str).str.strip())
        texts = np.asarray(distinct, dtype=object)
        position = {text: index for index, text in enumerate(text for text in texts if text)}
        # Position 0 stands for 'no text'; what is computed for it is never read.
        text_M = torch.tensor([position[text] + 1 if text else 0 for text in texts], dtype=torch.int32)
        self.register_rows("text_N", text_M[torch.from_numpy(code_N)])
        kept = list(position)
        if self.augments:
            trained = {text for text in texts[np.unique(code_N[context.train_rows])] if text}
            kept += self._bind_versions(kept, trained, context)
        if context.tunable is None:
            self._bind_vectors(kept, context.embed_texts)
        else:
            self._bind_states(kept, context.tunable)

    def forward(self, row: Tensor) -> Tensor:
        text = self.text_N[row]
        if self.augments and self.training:
            text = self.version_MV[text, torch.randint(self.version_MV.shape[1], text.shape, device=text.device)]
        projection = self.projection if self.config.own_projection else self.shared["projection"]
        vector = self._tuned(text) if self.is_costly else self.vector_Mh[text].to(self.no_text_d.dtype)
        return torch.where((text == 0).unsqueeze(-1), self.no_text_d, projection(vector))

    def meaning(self, row: Tensor) -> Tensor:
        text = self.text_N[row]
        vector = self._tuned(text) if self.is_costly else self.vector_Mh[text].to(self.no_text_d.dtype)
        return vector * (text > 0).unsqueeze(-1)

    def _tuned(self, text: Tensor) -> Tensor:
        """Vectors ``[..., h]`` through the trained layers; without gradients in portions, to bound memory."""
        text_R = text.flatten()
        if not len(text_R):
            return self.no_text_d.new_zeros(*text.shape, self.embedding_dim)
        portion = len(text_R) if torch.is_grad_enabled() else max(1, _PORTION_TOKENS // self.longest)
        vector_Rh = torch.cat([self._through_suffix(part) for part in text_R.split(portion)])
        return vector_Rh.view(*text.shape, self.embedding_dim)

    def _through_suffix(self, text_R: Tensor) -> Tensor:
        # Padded to the longest text of the table, known on the host: the longest of these rows would take a sync.
        place_L = torch.arange(self.longest, device=text_R.device)
        mask_RL = place_L < self.length_M[text_R].unsqueeze(-1)
        state_RL = (self.start_M[text_R].unsqueeze(-1) + place_L) * mask_RL
        routing = Routing.of_segments([(self.scenario, len(text_R))], text_R.device)
        return self.shared["suffix"](self.state_Sh[state_RL].to(self.no_text_d.dtype), mask_RL, routing)

    def _bind_versions(self, texts: list[str], trained: Collection[str], context: FitContext) -> list[str]:
        """Further texts to encode, and for each text which ones a step may read: itself first."""
        augmented = [place for place, text in enumerate(texts) if text in trained]
        found = text_variants(
            [texts[place] for place in augmented],
            self.config.variants,
            drop=self.config.drop,
            swap=self.config.swap,
            synonyms=context.synonyms,
            seed=context.seed,
        )
        number = {text: place + 1 for place, text in enumerate(texts)}
        for variant in chain.from_iterable(found):
            number.setdefault(variant, len(number) + 1)
        version_MV = (
            torch.arange(len(texts) + 1, dtype=torch.int32).unsqueeze(1).repeat(1, self.config.variants + 1)
        )
        if augmented:
            others = [[number[variant] for variant in variants] for variants in found]
            version_MV[torch.tensor(augmented) + 1, 1:] = torch.tensor(others, dtype=torch.int32)
        self.register_rows("version_MV", version_MV)
        return list(number)[len(texts) :]

    def _bind_vectors(self, texts: list[str], embed: Callable[[Sequence[str]], Tensor]) -> None:
        vector_Mh = torch.zeros(len(texts) + 1, self.embedding_dim, dtype=getattr(torch, self.config.dtype))
        if texts:
            vector_Mh[1:] = embed(texts).to(vector_Mh)
        self.register_rows("vector_Mh", vector_Mh)

    def _bind_states(self, texts: list[str], backbone: Tunable) -> None:
        states = backbone.token_states(texts)
        state_Sh, start_M, length_M = states.packed()
        self.longest = max(1, int(states.lengths.max(initial=0)))
        # 'No text' is one token of zeros, because attention over no token at all is not a number.
        self.register_rows("state_Sh", torch.cat([state_Sh.new_zeros(1, states.width), state_Sh]))
        self.register_rows("start_M", torch.cat([start_M.new_zeros(1), start_M + 1]))
        self.register_rows("length_M", torch.cat([length_M.new_ones(1), length_M]))

    def _create(self, context: FitContext, *, initial: bool) -> None:
        experts, self.embedding_dim, self.out_dim = self.config.whitening, context.embedding_dim, context.d_model
        if context.tunable is not None:
            suffix = context.shared.get("suffix", context.tunable.suffix_module)
            assert isinstance(suffix, Suffix)
            self.shared["suffix"] = suffix
            self.scenario = suffix.join(context.owner.partition("/")[0], initial=initial)
        self.is_costly = context.tunable is not None

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
