"""The friend graph encoder: a person is whom they know."""

from __future__ import annotations

from collections import Counter
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
        degree = Counter(_links(context)["person"])
        log_degree = _log_degree(values, degree)
        known = log_degree[log_degree > 0]
        self.mean, self.std = (float(known.mean()), float(known.std()) or 1.0) if len(known) else (0.0, 1.0)
        self._create(context, context.spaces.get(self.config.space, values.astype(str)))
        self._space.mark_trained(degree)

    def fitted(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std, "ids": list(self._space.position)}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        self.mean, self.std = fitted["mean"], fitted["std"]
        self._create(context, fitted["ids"])

    def bind(self, values: pd.Series, context: FitContext) -> None:
        links = _links(context)
        degree, friends = Counter(links["person"].tolist()), links["friend"].tolist()
        row = pd.Index(values.astype(str)).get_indexer(pd.Index(links["person"]))
        position = np.array([self._space.position.get(friend, 0) for friend in friends], dtype=np.int64)
        popularity = np.array([degree[friend] for friend in friends], dtype=np.int64)
        order = np.lexsort((position, popularity, row))
        order = order[(row[order] >= 0) & (position[order] > 0)]
        row, position = row[order], position[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < self.config.max_friends
        width = min(self.config.max_friends, int(rank.max(initial=0)) + 1)
        friend_NM = np.zeros((len(values), width), dtype=np.int32)
        friend_NM[row[kept], rank[kept]] = position[kept]
        log_degree = _log_degree(values, degree)
        self.register_rows("friend_NM", torch.from_numpy(friend_NM))
        self.register_rows("degree_N", torch.from_numpy((log_degree - self.mean) / self.std).float())

    def forward(self, row: Tensor) -> Tensor:
        friend = self.friend_NM[row]
        weight = (friend > 0).to(self.degree_d.dtype)
        if self.training and self.config.edge_dropout > 0:
            weight = weight * (torch.rand_like(weight) >= self.config.edge_dropout)
        weight = weight / weight.sum(dim=-1, keepdim=True).clamp(min=1)
        # Friends come from train links, so all of them have trained vectors and none needs the unknown one.
        width = friend.shape[-1]
        mean = nn.functional.embedding_bag(
            friend.reshape(-1, width),
            self._space.vector_Md,
            per_sample_weights=weight.reshape(-1, width),
            mode="sum",
            padding_idx=0,
        ).reshape(*friend.shape[:-1], self.out_dim)
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
    one, other = (context.train_interactions[name].astype("str") for name in ("user_id", "item_id"))
    there, back = pd.DataFrame({"person": one, "friend": other}), pd.DataFrame({"person": other, "friend": one})
    links = pd.concat([there, back]).drop_duplicates()
    return links.loc[links["person"] != links["friend"]]


def _log_degree(people: pd.Series, degree: Counter[str]) -> np.ndarray:
    return np.log1p(np.array([degree[person] for person in people.astype(str).tolist()], dtype=np.float64))


COMPONENTS = [Component("encoder", "friends", FriendsEncoder, FriendsConfig)]
