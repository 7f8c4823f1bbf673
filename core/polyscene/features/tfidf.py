"""Words or tags by TF-IDF and truncated SVD: what text says without a pretrained model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from polyscene.data.columns import Tags
from polyscene.errors import ConfigError, Problems
from polyscene.features.encoder import Encoder, FitContext
from polyscene.features.values import split_tags, unique_lists

_WORD = re.compile(r"\w\w+")


@dataclass
class TfidfEncoderConfig:
    """Options of the TF-IDF encoder.

    Args:
        dimensions: number of singular vectors kept.
        min_rows: a word must occur in this many train rows.
        max_words: the most frequent words kept.
    """

    dimensions: int = 128
    min_rows: int = 2
    max_words: int = 20000

    def __post_init__(self) -> None:
        problems = Problems("encoder 'tfidf'")
        for name in ("dimensions", "min_rows", "max_words"):
            if getattr(self, name) < 1:
                problems.add(f"{name} is {getattr(self, name)}", fix="use 1 or more")
        problems.raise_if_any(ConfigError)


class TfidfEncoder(Encoder):
    """``Linear(normalize(tfidf V))``: ``[..., d_model]``.

    A word counts ``(1 + log n) (1 + log((1 + D) / (1 + D_w)))``, with n its count in the text and D_w of the D
    train rows holding it; rows have unit length (the smoothed form of Manning, Raghavan, Schuetze, 2008, ch. 6).
    V are the leading right singular vectors of the train rows. For ``Tags`` a tag is a word. Rows without a known
    word get a learned vector.
    """

    config: TfidfEncoderConfig
    text_N: Tensor
    vector_Mr: Tensor
    idf_w: Tensor
    component_wr: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        code_N, texts = self._words(values)
        rows_M = np.bincount(code_N[context.train_rows], minlength=len(texts))
        found: Counter[str] = Counter()
        for words, rows in zip(texts, rows_M, strict=True):
            if rows:
                found.update(dict.fromkeys(words, int(rows)))
        ranked = sorted((-rows, word) for word, rows in found.items() if rows >= self.config.min_rows)
        self.words = [word for _, word in ranked[: self.config.max_words]]
        rows_w = np.array([found[word] for word in self.words], dtype=np.float64)
        idf_w = 1 + np.log((1 + context.train_rows.sum()) / (1 + rows_w))
        weighted_M = sparse.diags_array(np.sqrt(rows_M)) @ self._tfidf(texts, idf_w)
        component_wr = _right_singular(
            sparse.csr_array(weighted_M), len(self.words), self.config.dimensions, context.seed
        )
        self._create(context, torch.from_numpy(idf_w).float(), torch.from_numpy(component_wr).float())

    def fitted(self) -> dict[str, Any]:
        return {"words": self.words, "rank": self.component_wr.shape[1]}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.words = list(fitted["words"])
        count = len(self.words)
        self._create(context, torch.zeros(count), torch.zeros(count, fitted["rank"]))

    def bind(self, values: pd.Series, context: FitContext) -> None:
        code_N, texts = self._words(values)
        tfidf = self._tfidf(texts, self.idf_w.cpu().double().numpy())
        vector_Mr = torch.from_numpy(tfidf @ self.component_wr.cpu().double().numpy()).float()
        known_M = torch.from_numpy(np.diff(tfidf.indptr) > 0)
        # Position 0 stands for 'no known word'; its vector is never read.
        text_M = torch.where(known_M, torch.cumsum(known_M, 0), 0).int()
        self.register_rows("text_N", text_M[torch.from_numpy(code_N)])
        vector_Mr = nn.functional.normalize(vector_Mr[known_M], dim=-1)
        self.register_rows("vector_Mr", torch.cat([vector_Mr.new_zeros(1, vector_Mr.shape[1]), vector_Mr]))

    def forward(self, row: Tensor) -> Tensor:
        text = self.text_N[row]
        return torch.where((text == 0).unsqueeze(-1), self.no_text_d, self.projection(self.vector_Mr[text]))

    def _create(self, context: FitContext, idf_w: Tensor, component_wr: Tensor) -> None:
        self.out_dim = context.d_model
        self.register_buffer("idf_w", idf_w)
        self.register_buffer("component_wr", component_wr)
        self.projection = nn.Linear(component_wr.shape[1], context.d_model)
        self.no_text_d = nn.Parameter(0.02 * torch.randn(context.d_model))

    def _words(self, values: pd.Series) -> tuple[np.ndarray, list[list[str]]]:
        if isinstance(self.column, Tags):
            return unique_lists(values, split_tags(self.column.separator))
        return unique_lists(values, lambda text: _WORD.findall(text.lower()))

    def _tfidf(self, texts: Sequence[Sequence[str]], idf_w: np.ndarray) -> sparse.csr_array:
        position = {word: index for index, word in enumerate(self.words)}
        words, counts, ends = [], [], [0]
        for text in texts:
            known = Counter(position[word] for word in text if word in position)
            words.extend(known)
            counts.extend(known.values())
            ends.append(len(words))
        word = np.array(words, dtype=np.int64)
        weight = (1 + np.log(np.maximum(counts, 1))) * idf_w[word] if words else np.zeros(0)
        tfidf = sparse.csr_array((weight, word, np.array(ends)), shape=(len(texts), len(self.words)))
        norm = np.sqrt(tfidf.multiply(tfidf).sum(axis=1))
        return sparse.csr_array(sparse.diags_array(1 / np.where(norm > 0, norm, 1)) @ tfidf)


def _right_singular(matrix: sparse.csr_array, words: int, rank: int, seed: int) -> np.ndarray:
    """The leading right singular vectors ``[w, min(rank, rows, w)]``, each with its largest entry positive."""
    rows = len(matrix.indptr) - 1
    smaller = min(rows, words)
    if smaller == 0:
        return np.zeros((words, 1))
    if rank >= smaller:
        component_rw = np.linalg.svd(matrix.toarray(), full_matrices=False)[2]
    else:
        start = np.random.default_rng(seed).standard_normal(smaller)
        _, value, component_rw = svds(matrix, k=rank, v0=start)
        component_rw = np.asarray(component_rw)[np.argsort(-np.asarray(value))]
    largest = np.abs(component_rw).argmax(axis=1)
    sign = np.sign(component_rw[np.arange(len(component_rw)), largest])
    return np.ascontiguousarray((component_rw * sign[:, None]).T)
