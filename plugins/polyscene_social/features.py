"""The friend graph encoder: a person is whom they know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene import Component, Encoder, FitContext, IdSpace, id_space


@dataclass
class FriendsConfig:
    """Options of the friend graph encoder.

    Args:
        space: the id space whose vectors stand for people.
        max_friends: friends read per person; of more, those with the fewest friends are kept, because they say
            more [Adamic and Adar, 2003].
        edge_dropout: chance that training leaves a friend out. A training link is part of the graph that scores
            it; dropping it now and then keeps the model from only reading it off.
    """

    space: str = ""
    max_friends: int = 64
    edge_dropout: float = 0.2


class FriendsEncoder(Encoder):
    """``mean of the friends' id vectors + standardized log(1 + number of friends) * a``, from train links only.

    Links count in both directions. People without a train link get a learned vector. The column holds ids.
    """

    config: FriendsConfig
    friend_NM: Tensor
    degree_N: Tensor

    def fit(self, values: pd.Series, context: FitContext) -> None:
        people = values.astype(str).to_numpy()
        degree = np.log1p(_degree(_links(context)).reindex(people, fill_value=0).to_numpy(dtype=np.float64))
        known = degree[degree > 0]
        self.mean, self.std = (float(known.mean()), float(known.std()) or 1.0) if len(known) else (0.0, 1.0)
        ids = context.spaces.get(self.config.space, people)
        self._create(context, ids)
        self._space.mark_trained(_degree(_links(context)).index)

    def fitted(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std, "ids": list(self._space.position)}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.mean, self.std = fitted["mean"], fitted["std"]
        self._create(context, fitted["ids"])

    def bind(self, values: pd.Series, context: FitContext) -> None:
        links = _links(context)
        degree = _degree(links)
        links["row"] = pd.Index(values.astype(str)).get_indexer(links["person"])
        links["position"] = links["friend"].map(self._space.position).fillna(0).astype(np.int64)
        links = links[(links["row"] >= 0) & (links["position"] > 0)]
        links = links.assign(popularity=links["friend"].map(degree)).sort_values(["row", "popularity", "friend"])
        rank = links.groupby("row").cumcount().to_numpy()
        kept = rank < self.config.max_friends
        width = min(self.config.max_friends, int(rank.max(initial=0)) + 1)
        friend_NM = np.zeros((len(values), width), dtype=np.int32)
        friend_NM[links["row"].to_numpy()[kept], rank[kept]] = links["position"].to_numpy()[kept]
        log_degree = np.log1p(degree.reindex(values.astype(str), fill_value=0).to_numpy(dtype=np.float64))
        self.register_rows("friend_NM", torch.from_numpy(friend_NM))
        self.register_rows("degree_N", torch.from_numpy((log_degree - self.mean) / self.std).float())

    def forward(self, row: Tensor) -> Tensor:
        friend = self.friend_NM[row]
        weight = (friend > 0).to(self.degree_d.dtype)
        if self.training and self.config.edge_dropout > 0:
            weight = weight * (torch.rand_like(weight) >= self.config.edge_dropout)
        total = (weight.unsqueeze(-1) * self._space(friend)).sum(dim=-2)
        mean = total / weight.sum(dim=-1, keepdim=True).clamp(min=1)
        known = mean + self.degree_N[row].unsqueeze(-1) * self.degree_d
        return torch.where(friend[..., :1] > 0, known, self.no_friends_d)

    @property
    def _space(self) -> IdSpace:
        space = self.shared["space"]
        assert isinstance(space, IdSpace)
        return space

    def _create(self, context: FitContext, ids: Any) -> None:
        self.out_dim = context.d_model
        self.shared["space"] = id_space(context, self.config.space)
        self._space.extend(ids)
        self.degree_d = nn.Parameter(0.02 * torch.randn(context.d_model))
        self.no_friends_d = nn.Parameter(0.02 * torch.randn(context.d_model))


def _links(context: FitContext) -> pd.DataFrame:
    """Distinct train links in both directions: person, friend."""
    assert context.train_interactions is not None
    pairs = context.train_interactions[["user_id", "item_id"]].astype("str")
    there = pairs.set_axis(["person", "friend"], axis=1)
    back = pairs.set_axis(["friend", "person"], axis=1)[["person", "friend"]]
    links = pd.concat([there, back], ignore_index=True).drop_duplicates(ignore_index=True)
    return links[links["person"] != links["friend"]].reset_index(drop=True)


def _degree(links: pd.DataFrame) -> pd.Series:
    return links["person"].value_counts()


COMPONENTS = [Component("encoder", "friends", FriendsEncoder, FriendsConfig)]
