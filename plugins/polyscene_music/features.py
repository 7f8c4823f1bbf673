"""The tag profile: what listeners call an artist, without telling who will listen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene import Component, DataError, Encoder, FitContext

ASSIGNMENTS = "tag_assignments"


@dataclass
class TagProfileConfig:
    """Options of the tag profile.

    Args:
        pairs: whose tags count. Tagging an artist means having listened, so a tag given by a held-out pair of
            listener and artist gives the pair away. ``not_held_out`` drops exactly those; ``train`` keeps only
            tags of training pairs, and with them no tag of an artist that training never saw.
        min_items: a tag must be on this many artists.
        tags_per_item: tags kept per artist, those with the largest weight.
    """

    pairs: Literal["not_held_out", "train"] = "not_held_out"
    min_items: int = 3
    tags_per_item: int = 20


class TagProfileEncoder(Encoder):
    """``W sum_t w_it e_t``: TF-IDF weighted sum of tag vectors, where e_t starts at the tag's text vector.

    ``w_it = log(1 + n_it) (1 + log((1 + N) / (1 + N_t)))`` with n_it listeners who gave artist i the tag t, and
    N_t of N tagged artists carrying it; rows have unit length (smoothed as in Manning, Raghavan, Schuetze, 2008,
    ch. 6). Artists without tags get a learned vector. The column holds item ids; the assignments are the frame
    ``tag_assignments`` (user_id, item_id, tag) of ``tables.extra``.

    Raises:
        DataError: the tables have no tag assignments.
    """

    config: TagProfileConfig
    tag_NM: Tensor
    weight_NM: Tensor
    total_N: Tensor
    text_Nh: Tensor
    idf_T: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        counts = tag_counts(context, self.config.pairs)
        items_of_tag = Counter(counts["tag"].tolist())
        tags = sorted(tag for tag, items in items_of_tag.items() if items >= self.config.min_items)
        items_T = np.array([items_of_tag[tag] for tag in tags], dtype=np.float64)
        self._create(tags, context)
        self.idf_T.copy_(torch.from_numpy(1 + np.log((1 + counts["item_id"].nunique()) / (1 + items_T))))

    def fitted(self) -> dict[str, Any]:
        return {"tags": self.tags}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self._create(list(fitted["tags"]), context)

    def bind(self, values: pd.Series, context: FitContext) -> None:
        counts = tag_counts(context, self.config.pairs)
        code = pd.Index(self.tags).get_indexer(pd.Index(counts["tag"]))
        row = pd.Index(values.astype(str)).get_indexer(pd.Index(counts["item_id"]))
        known = (code >= 0) & (row >= 0)
        row, code = row[known], code[known]
        weight = np.log1p(counts["listeners"].to_numpy()[known]) * self.idf_T.cpu().numpy()[code]
        order = np.lexsort((code, -weight, row))
        row, code, weight = row[order], code[order], weight[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < self.config.tags_per_item
        shape = (len(values), min(self.config.tags_per_item, int(rank.max(initial=0)) + 1))
        tag_NM, weight_NM = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
        tag_NM[row[kept], rank[kept]] = code[kept]
        weight_NM[row[kept], rank[kept]] = weight[kept]
        weight_NM /= np.maximum(np.linalg.norm(weight_NM, axis=1, keepdims=True), 1e-12)
        self.register_rows("tag_NM", torch.from_numpy(tag_NM))
        self.register_rows("weight_NM", torch.from_numpy(weight_NM))
        # The sum over an artist's tags and the projection commute, and the texts are frozen: summed here, once.
        weight_MN = torch.from_numpy(weight_NM.T)
        text_Nh = torch.zeros(len(values), context.embedding_dim)
        if self.tags:
            text_Th = context.embed_texts(self.tags).float()
            for tag_N, weight_N in zip(torch.from_numpy(tag_NM.T).long(), weight_MN, strict=True):
                text_Nh.addcmul_(text_Th[tag_N], weight_N.unsqueeze(-1))
        self.register_rows("text_Nh", text_Nh)
        self.register_rows("total_N", weight_MN.sum(0))

    def forward(self, row: Tensor) -> Tensor:
        tag, weight, total = self.tag_NM[row], self.weight_NM[row], self.total_N[row].unsqueeze(-1)
        text = functional.linear(self.text_Nh[row], self.projection.weight) + total * self.projection.bias
        return torch.where(total > 0, text + weighted_sum(tag, weight, self.own_Td), self.no_tags_d)

    def meaning(self, row: Tensor) -> Tensor:
        return self.text_Nh[row]

    def _create(self, tags: list[str], context: FitContext) -> None:
        self.tags, self.out_dim = tags, context.d_model
        self.projection = nn.Linear(context.embedding_dim, context.d_model)
        self.own_Td = nn.Parameter(0.02 * torch.randn(max(len(tags), 1), context.d_model))
        self.no_tags_d = nn.Parameter(0.02 * torch.randn(context.d_model))
        self.register_buffer("idf_T", torch.zeros(len(tags)))


def weighted_sum(index: Tensor, weight: Tensor, vector_Td: Tensor) -> Tensor:
    """``sum_m weight[..., m] vector[index[..., m]]``, ``[..., d]``, without the ``[..., M, d]`` in between."""
    width = index.shape[-1]
    total = nn.functional.embedding_bag(
        index.reshape(-1, width),
        vector_Td,
        per_sample_weights=weight.reshape(-1, width).to(vector_Td.dtype),
        mode="sum",
    )
    return total.reshape(*index.shape[:-1], vector_Td.shape[-1])


def tag_counts(context: FitContext, pairs: str) -> pd.DataFrame:
    """How many listeners gave each artist each tag (item_id, tag, listeners), held-out pairs left out."""
    extra = getattr(context.tables, "extra", {})
    if ASSIGNMENTS not in extra:
        raise DataError(
            f"the tables have no frame '{ASSIGNMENTS}', which the encoder 'tag_profile' reads",
            where=context.owner,
            fix=f"give Tables(extra={{'{ASSIGNMENTS}': ...}}) with user_id, item_id and tag, or drop the column",
        )
    assert context.train_interactions is not None
    assigned = extra[ASSIGNMENTS].astype({"user_id": "str", "item_id": "str"})
    pair = _pairs(assigned)
    keep = pair.isin(_pairs(context.train_interactions))
    if pairs == "not_held_out":
        keep |= ~pair.isin(_pairs(context.tables.interactions))
    counted = assigned.loc[keep].drop_duplicates(["user_id", "item_id", "tag"])
    return counted.groupby(["item_id", "tag"], sort=True).size().rename("listeners").reset_index()


def _pairs(interactions: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([interactions[name].astype("str") for name in ("user_id", "item_id")])


COMPONENTS = [Component("encoder", "tag_profile", TagProfileEncoder, TagProfileConfig)]
