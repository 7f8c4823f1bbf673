"""Entities as plain functions of tensors, for :mod:`benchmarks.speed.plain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name in a plain loop)

Tensors = Mapping[str, Tensor]
SPACES = {"video": "video-2f-items", "music": "music-2f-items", "ecommerce": "ecommerce-2f-items"}
WHOLE = ("video", "social")
DAY = 86_400


@dataclass(frozen=True)
class Noise:
    """Probabilities of dropout: in the sequence model, of ids, and of friends."""

    dropout: float = 0.1
    ids: float = 0.1
    friends: float = 0.2


class Entities:
    """Vectors of items, users and steps of all scenarios, from parameters ``p`` and tables ``d``."""

    def __init__(self, p: Tensors, d: Tensors, names: list[str], noise: Noise, margin: float) -> None:
        self.p, self.d, self.names, self.noise, self.margin = p, d, names, noise, margin
        self.width = p["sequence.begin_d"].shape[0]
        self.scale = self.width**-0.5

    def d_of(self, name: str) -> Tensor:
        return self.d[f"items.{name}.encoders.item_id-id.id_N"]

    def taken(self, items: dict[str, Tensor], name: str, index: Tensor) -> Tensor:
        if name in items:
            return items[name][index]
        return self.items(name, index.flatten()).view(*index.shape, self.width)

    def items(self, name: str, row: Tensor) -> Tensor:
        e = f"items.{name}.encoders."
        fields = {}
        if name != "social":
            fields["text-text"] = self.text(e + "text-text", row)
        if name == "video":
            fields["genres-tags"] = self.bag(
                self.p[e + "genres-tags.vector_Td"],
                self.d[e + "genres-tags.tag_NL"][row],
                self.d[e + "genres-tags.weight_NL"][row],
            )
            fields["year-number"] = self.number(e + "year-number", row)
            if e + "graph_entity-kgat.own_N" in self.d:
                fields["graph_entity-kgat"] = self.graph(e + "graph_entity-kgat.", row)
        elif name == "music":
            fields["item_id-tag_profile"] = self.tag_profile(e + "item_id-tag_profile.", row)
        elif name == "ecommerce":
            for field in ("department_path-hierarchy", "brand_path-hierarchy"):
                levels = F.embedding(
                    self.d[f"{e}{field}.code_NL"][row], self.p[f"{e}{field}.level_vectors.weight"], 0
                )
                fields[field] = self.p[f"{e}{field}.root_d"] + levels.sum(-2)
        elif name == "social":
            fields["item_id-friends"] = self.friends(e + "item_id-friends.", row)
            if e + "listening-text.text_N" in self.d:
                fields["listening-text"] = self.text(e + "listening-text", row)
        elif name == "kg":
            fields["type-category"] = self.category(e + "type-category", row)
        space = SPACES.get(name, "kg_entity" if name == "kg" else "lastfm_user")
        fields["item_id-id"] = self.ids(space, self.d_of(name)[row])
        return self.fused(f"items.{name}", fields) * self.p["item_bank.weight_Kd"][self.names.index(name)]

    def users(self, name: str, row: Tensor) -> Tensor:
        e = f"users.{name}.encoders."
        fields = {
            key.removeprefix(e).removesuffix(".label_N"): self.category(key.removesuffix(".label_N"), row)
            for key in self.d
            if key.startswith(e) and key.endswith(".label_N")
        }
        if name != "video":
            space = "ecommerce-2f-users" if name == "ecommerce" else "lastfm_user"
            fields["user_id-id"] = self.ids(space, self.d[e + "user_id-id.id_N"][row])
        if name == "social":
            fields["user_id-friends"] = self.friends(e + "user_id-friends.", row)
        return self.fused(f"users.{name}", fields)

    def events(self, name: str, row: Tensor) -> Tensor:
        e = f"events.{name}.encoders."
        fields = {
            key.removeprefix(e).removesuffix(".value_N"): self.number(key.removesuffix(".value_N"), row)
            for key in self.d
            if key.startswith(e) and key.endswith(".value_N")
        }
        if name == "video":
            fields["timestamp-watch_gap"] = self.watch_gap(e + "timestamp-watch_gap.", row)
        return self.fused(f"events.{name}", fields)

    def fused(self, owner: str, fields: dict[str, Tensor]) -> Tensor:
        total = self.p[f"{owner}.fusion.bias_d"]
        for field, value in fields.items():
            norm = f"{owner}.norms.{field}."
            x = F.layer_norm(value, (self.width,), self.p[norm + "weight"], self.p[norm + "bias"])
            if f"{owner}.gates.{field}" in self.p:
                x = x * self.p[f"{owner}.gates.{field}"].tanh()
            total = total + F.linear(x, self.p[f"{owner}.fusion.reduce.{field}.weight"])
        return total

    # Encoders

    def text(self, e: str, row: Tensor) -> Tensor:
        text = self.d[e + ".text_N"][row]
        shared = "shared.modules_by_key.text."
        projected = F.linear(self.d[e + ".vector_Mh"][text], self.p[shared + "weight"], self.p[shared + "bias"])
        return torch.where((text == 0).unsqueeze(-1), self.p[e + ".no_text_d"], projected)

    def ids(self, space: str, position: Tensor) -> Tensor:
        key = f"shared.modules_by_key.id-{space}."
        position = position * (self.d[key + "count_M"][position] > 0)
        if self.noise.ids:
            position = position * (torch.rand(position.shape) >= self.noise.ids)
        return F.embedding(position, self.p[key + "vector_Md"])

    def category(self, e: str, row: Tensor) -> Tensor:
        return F.embedding(self.d[e + ".label_N"][row], self.p[e + ".vector_Ld"])

    def number(self, e: str, row: Tensor) -> Tensor:
        value, net = self.d[e + ".value_N"][row].unsqueeze(-1), e + ".network."
        hidden = F.gelu(F.linear(value.nan_to_num(), self.p[net + "0.weight"], self.p[net + "0.bias"]))
        out = F.linear(hidden, self.p[net + "2.weight"], self.p[net + "2.bias"])
        return torch.where(value.isnan(), self.p[e + ".missing_d"], out)

    def bag(self, vectors: Tensor, index: Tensor, weight: Tensor, padding: int | None = None) -> Tensor:
        shape, width = index.shape[:-1], index.shape[-1]
        flat, weights = index.reshape(-1, width), weight.reshape(-1, width)
        summed = F.embedding_bag(flat, vectors, per_sample_weights=weights, mode="sum", padding_idx=padding)
        return summed.view(*shape, self.width)

    def graph(self, e: str, row: Tensor) -> Tensor:
        vectors = self.p["shared.modules_by_key.id-kg_entity.vector_Md"]
        own, neighbor, relation = (self.d[e + key][row] for key in ("own_N", "neighbor_NK", "relation_NK"))
        relation, here = relation.long().clamp(min=0), relation >= 0
        h = F.embedding(own, vectors) * (own > 0).unsqueeze(-1)
        t, weight = F.embedding(neighbor, vectors), self.p[e + "weight_Rdk"]
        query = (torch.einsum("nd,rdk->nrk", h, weight) + self.p[e + "relation_Rk"]).tanh()
        key = torch.einsum("nrk,rdk->nrd", query, weight)
        logit = (t @ key.mT).gather(-1, relation.unsqueeze(-1)).squeeze(-1)
        attention = logit.masked_fill(~here, torch.finfo(torch.float32).min).softmax(-1) * here
        around = (attention.unsqueeze(1) @ t).squeeze(1)
        mixed = F.leaky_relu(F.linear(h + around, self.p[e + "add.weight"], self.p[e + "add.bias"]), 0.2)
        both = F.linear(h * around, self.p[e + "multiply.weight"], self.p[e + "multiply.bias"])
        return (mixed + F.leaky_relu(both, 0.2)) * ((own > 0) | here.any(-1)).unsqueeze(-1)

    def tag_profile(self, e: str, row: Tensor) -> Tensor:
        total = self.d[e + "total_N"][row].unsqueeze(-1)
        text = F.linear(self.d[e + "text_Nh"][row], self.p[e + "projection.weight"])
        own = self.bag(self.p[e + "own_Td"], self.d[e + "tag_NM"][row], self.d[e + "weight_NM"][row])
        profile = text + total * self.p[e + "projection.bias"] + own
        return torch.where(total > 0, profile, self.p[e + "no_tags_d"])

    def friends(self, e: str, row: Tensor) -> Tensor:
        friend = self.d[e + "friend_NM"][row]
        weight = (friend > 0).float()
        if self.noise.friends:
            weight = weight * (torch.rand(weight.shape) >= self.noise.friends)
        weight = weight / weight.sum(-1, keepdim=True).clamp(min=1)
        mean = self.bag(self.p["shared.modules_by_key.id-lastfm_user.vector_Md"], friend, weight, padding=0)
        known = mean + self.d[e + "degree_N"][row].unsqueeze(-1) * self.p[e + "degree_d"]
        return torch.where(friend[..., :1] > 0, known, self.p[e + "no_friends_d"])

    def watch_gap(self, e: str, row: Tensor) -> Tensor:
        log_gap, center = self.d[e + "log_gap_R"][row].unsqueeze(-1), self.d[e + "center_K"]
        seen = (log_gap >= 0).float()
        bins = torch.exp(-0.5 * ((log_gap - center) / (center[1] - center[0])).square()) * seen
        position = torch.log1p(self.d[e + "position_R"][row].float()).unsqueeze(-1)
        angle = self.d[e + "second_R"][row].float().unsqueeze(-1) * (2 * torch.pi / DAY)
        clock = [angle.sin(), angle.cos(), (2 * angle).sin(), (2 * angle).cos()]
        features = torch.cat([bins, 1 - seen, position, *clock], -1)
        return F.linear(features, self.p[e + "linear.weight"], self.p[e + "linear.bias"])
