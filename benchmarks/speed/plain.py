"""The five scenarios' training step as plain functions of tensors: what ``benchmarks.speed.step`` compares with.

Nothing of the engine is used. ``p`` holds the parameters and ``d`` the tables, under the names that they have in
the model, so that both sides can start from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the usual name in a plain loop)

from benchmarks.speed.plain_entities import WHOLE, Entities, Tensors


class Plain(Entities):
    """One training step's loss, written flat."""

    def loss(self, batch: Mapping[str, Tensors]) -> Tensor:
        items = {
            name: self.items(name, torch.arange(len(self.d_of(name)))) for name in self.names if name in WHOLE
        }
        x = {name: self.taken(items, name, batch[name]["item"]) for name in self.names if name != "kg"}
        h = self.histories(batch, x)
        if "kg" in self.names:
            relation = F.embedding(batch["kg"]["relation"].long(), self.p["tasks.kg.triple.relation.weight"])
            h["kg"] = self.items("kg", batch["kg"]["user"]).unsqueeze(1) * relation
        means = []
        for k, name in enumerate(self.names):
            adapted = h[name] * self.p["user_bank.weight_Kd"][k]
            loss = getattr(self, f"{name}_loss")(adapted, x.get(name), items.get(name), batch[name])
            valid = batch[name]["valid"]
            means.append(torch.where(valid, loss, 0.0).sum() / valid.sum())
        return torch.stack(means).mean()

    # Histories

    def histories(self, batch: Mapping[str, Tensors], x: dict[str, Tensor]) -> dict[str, Tensor]:
        steps, starts, ordered = [], [], []
        for name, rows in x.items():
            in_order = name in ("video", "ecommerce")
            steps.append(rows + self.events(name, batch[name]["row"]) if in_order else rows)
            starts.append(self.users(name, batch[name]["user"]))
            ordered.append(torch.full((len(rows), 1, 1), in_order))
        h_all = self.transformer(torch.cat(steps), torch.cat(starts), torch.cat(ordered))
        out = dict(zip(x, h_all.split([len(rows) for rows in x.values()]), strict=True))
        for name, h in out.items():
            if "first" in batch[name]:
                out[name] = h.gather(1, batch[name]["first"].unsqueeze(-1).expand(-1, -1, self.width))
            else:
                out[name] = h[:, :-1]
        return out

    def transformer(self, x: Tensor, start: Tensor, ordered: Tensor) -> Tensor:
        h = torch.cat([(start + self.p["sequence.begin_d"]).unsqueeze(1), x], 1)
        steps = h.shape[1]
        h = F.dropout(h + ordered * self.p["sequence.position_Sd"][:steps], self.noise.dropout)
        place = torch.arange(steps)
        causal, alone = place <= place[:, None], (place == place[:, None]) | (place == 0)
        h = self.block("sequence.blocks.0.", h, h, torch.where(ordered, causal, alone).unsqueeze(1))
        h = self.block("sequence.blocks.1.", torch.where(ordered, h, h[:, :1]), h, None)
        return F.layer_norm(h, (self.width,), self.p["sequence.norm.weight"], self.p["sequence.norm.bias"])

    def block(self, key: str, reader: Tensor, h: Tensor, seen: Tensor | None) -> Tensor:
        rows, steps, width = h.shape

        def linear(name: str, value: Tensor) -> Tensor:
            return F.linear(value, self.p[f"{key}{name}.weight"], self.p[f"{key}{name}.bias"])

        def norm(name: str, value: Tensor) -> Tensor:
            return F.layer_norm(value, (width,), self.p[f"{key}{name}.weight"], self.p[f"{key}{name}.bias"])

        query = linear("query", norm("attention_norm", reader))
        keys, values = linear("key_value", norm("attention_norm", h)).chunk(2, -1)
        q, k, v = (part.view(rows, steps, 2, -1).transpose(1, 2) for part in (query, keys, values))
        attended = F.scaled_dot_product_attention(q, k, v, seen, self.noise.dropout, is_causal=seen is None)
        out = linear("out", attended.transpose(1, 2).reshape(rows, steps, width))
        reader = reader + F.dropout(out, self.noise.dropout)
        hidden = F.dropout(F.gelu(linear("feed.0", norm("feed_norm", reader))), self.noise.dropout)
        return reader + F.dropout(linear("feed.3", hidden), self.noise.dropout)

    # Losses [B, T]

    def video_loss(self, h: Tensor, x: Tensor, items: Tensor, batch: Tensors) -> Tensor:
        valid, value, item = batch["valid"], batch["value"], batch["item"]
        t = "tasks.video.ranking."
        query = self.p[t + "log_scale"].exp() * self.scale * h
        bias = self.popularity(t + "popularity.").masked_fill(~self.d[t + "trained_N"], -math.inf)
        scores = F.linear(query.flatten(0, 1), items, bias)
        loss = F.cross_entropy(scores, item.flatten(), reduction="none").view(item.shape)
        weight = value.clamp(min=1e-3) ** 0.5 * valid
        ranking = loss * weight * valid.sum() / weight.sum()
        bias = self.p["tasks.video.rating.bias_N"][item]
        bilinear = F.linear(h, self.p["tasks.video.rating.bilinear.weight"])
        predicted = (bilinear * x).sum(-1) * self.scale + bias
        rating = (value - self.d["tasks.video.rating.mean"]) / self.d["tasks.video.rating.std"]
        return ranking + 0.1 * F.mse_loss(predicted, rating, reduction="none")

    def music_loss(self, h: Tensor, x: Tensor, items: None, batch: Tensors) -> Tensor:
        t = "tasks.music.ranking."
        loss = self.sampled("music", t, h, x, batch, biases=[self.popularity(t + "popularity.")])
        confidence = batch["valid"] * (1 + torch.log1p(batch["value"].clamp(min=0)))
        mean = confidence.sum(1, keepdim=True) / batch["valid"].sum(1, keepdim=True).clamp(min=1)
        return loss * confidence / mean.clamp(min=1e-6)

    def ecommerce_loss(self, h: Tensor, x: Tensor, items: None, batch: Tensors) -> Tensor:
        t, valid, repeat = "tasks.ecommerce.purchase.", batch["valid"].float(), (batch["repeat"] > 0).long()
        query = h + h * self.p[t + "query_scale_Kd"][repeat] + self.p[t + "query_shift_Kd"][repeat]
        biases = [self.popularity(f"{t}popularity_of_kind.{kind}.") for kind in (0, 1)]
        loss = self.sampled("ecommerce", t, query, x, batch, biases=biases, kind=repeat)
        share = ((repeat * valid).sum() / valid.sum()).clamp(1e-3, 1 - 1e-3)
        weight = valid * torch.where(repeat > 0, 1 / share, 1 / (1 - share))
        kind = F.linear(h, self.p[t + "kind.weight"], self.p[t + "kind.bias"]).squeeze(-1)
        kind_loss = F.binary_cross_entropy_with_logits(kind, repeat.float(), reduction="none")
        return loss * weight * valid.sum() / weight.sum() + 0.1 * kind_loss

    def sampled(
        self,
        name: str,
        t: str,
        h: Tensor,
        x: Tensor,
        batch: Tensors,
        *,
        biases: list[Tensor],
        kind: Tensor | None = None,
        count: int = 2048,
    ) -> Tensor:
        item, share, h = batch["item"], self.d[t + "sampling_N"], self.p[t + "log_scale"].exp() * self.scale * h
        drawn = torch.multinomial(share, count, replacement=True)
        correction = torch.log(share[drawn] * count)
        if kind is None:
            positive = (h * x).sum(-1) + biases[0][item]
            scores = F.linear(h, self.items(name, drawn), biases[0][drawn] - correction)
        else:
            first, second = biases
            positive = (h * x).sum(-1) + torch.where(kind > 0, second[item], first[item])
            both = torch.stack([first[drawn], second[drawn]], 1)
            mixed = torch.cat([h, F.one_hot(kind, 2).float()], -1)
            scores = F.linear(mixed, torch.cat([self.items(name, drawn), both], 1), -correction)
        scores = scores.masked_fill(drawn == item.unsqueeze(-1), -math.inf)
        return torch.logaddexp(scores.logsumexp(-1), positive) - positive

    def popularity(self, t: str) -> Tensor:
        seen = self.p[t + "weight"] * self.d[t + "log_share_N"]
        return torch.where(self.d[t + "unseen_N"], self.p[t + "unseen"], seen)

    def social_loss(self, h: Tensor, x: Tensor, items: Tensor, batch: Tensors) -> Tensor:
        valid, item, count = batch["valid"], batch["item"], 512
        bias, share = self.popularity("tasks.social.link.activity."), self.d["tasks.social.link.share_N"]
        positive = (h * x).sum(-1) * self.scale + bias[item]
        place = torch.multinomial(valid.flatten().float(), count, replacement=True)
        drawn = item.flatten()[place]
        scores = F.linear(h, self.scale * x.flatten(0, 1)[place], bias[drawn]) - torch.log(share[drawn] * count)
        linked = ((drawn == item.unsqueeze(-1)) & valid.unsqueeze(-1)).any(1)
        scores = scores.masked_fill(linked.unsqueeze(1), -math.inf)
        loss = torch.logaddexp(scores.logsumexp(-1), positive) - positive
        counted = torch.bincount(item[valid], minlength=len(bias))
        weight = counted[item].clamp(min=1).float() ** -0.25 * valid
        return loss * weight * valid.sum() / weight.sum()

    def kg_loss(self, h: Tensor, x: None, items: None, batch: Tensors) -> Tensor:
        item, n_items, count = batch["item"], len(self.d_of("kg")), 2048
        drawn = torch.randint(n_items, (count,))
        both = self.items("kg", torch.cat([item.flatten(), drawn]))
        positive = (h * both[:-count].view_as(h)).sum(-1) * self.scale
        scores = h @ both[-count:].T * self.scale - math.log(count / n_items)
        counts = drawn != item.unsqueeze(-1)
        weight = scores.detach().masked_fill(~counts, -math.inf).softmax(-1)
        negative = (weight * F.softplus(scores - self.margin)).sum(-1)
        return F.softplus(self.margin - positive) + negative
