"""Structural vectors: entities placed so that the facts about them can be read off."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.graph.scoring import triple_scoring
from polyscene.graph.store import KnowledgeGraph

_BATCH = 2048


@functools.lru_cache(maxsize=4)  # the models of a run ask for the same
def structural_vectors(
    graph: KnowledgeGraph,
    *,
    scoring: str = "distmult",
    width: int = 64,
    epochs: int = 10,
    negatives: int = 256,
    lr: float = 0.02,
    seed: int = 0,
) -> tuple[dict[str, int], Tensor]:
    """Vectors of all entities, learned from the facts of the graph and nothing else.

    Each fact is asked in both directions, its answer compared with ``negatives`` entities drawn once per batch
    (softmax [Lacroix et al., ICML 2018]). The global random state is not touched, so that a model beside it starts
    as it does without.

    Args:
        graph: training facts.
        scoring: a name of :data:`polyscene.graph.scoring.SCORINGS`.
        width: of the vectors.
        epochs: passes over the facts.
        negatives: entities that a batch is compared with.
        lr: learning rate of Adam, falling linearly to 0.
        seed: of initial vectors, order and negatives.

    Returns:
        The row of each entity, and float32 ``[entities, width]`` on the CPU.

    Raises:
        ConfigError: there is no such scoring function, or it cannot work with this width.
    """
    score = triple_scoring(scoring, width)
    entities = {entity: row for row, entity in enumerate(sorted(graph.entities))}
    relations = {relation: row for row, relation in enumerate(sorted(graph.relations()))}
    draw = torch.Generator().manual_seed(seed)
    vector_Md = (0.1 * torch.randn(len(entities), width, generator=draw)).requires_grad_()
    relation_Rd = (1 + 0.1 * torch.randn(2 * len(relations), width, generator=draw)).requires_grad_()
    facts = graph.facts()
    h, r, t = (
        torch.tensor([known[label] for label in facts[name]], dtype=torch.int64)
        for name, known in (("head", entities), ("relation", relations), ("tail", entities))
    )
    # The question for a head is that for the tail of the inverse relation.
    h, r, t = torch.cat([h, t]), torch.cat([r, r + len(relations)]), torch.cat([t, h])
    steps = max(1, epochs * -(-len(h) // _BATCH))
    optimizer = torch.optim.Adam([vector_Md, relation_Rd], lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    for _ in range(epochs if len(h) else 0):
        for batch in torch.randperm(len(h), generator=draw).split(_BATCH):
            other = torch.randint(len(entities), (negatives,), generator=draw)
            with torch.enable_grad():
                query = score.tail_query(vector_Md[h[batch]], relation_Rd[r[batch]])
                right = score.paired(query, vector_Md[t[batch]])
                wrong = score.scores(query, vector_Md[other])
                wrong = wrong.masked_fill(other == t[batch].unsqueeze(-1), -torch.inf)
                logits = torch.cat([right.unsqueeze(-1), wrong], dim=-1)
                loss = functional.cross_entropy(logits, torch.zeros(len(batch), dtype=torch.int64))
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            schedule.step()
    return entities, vector_Md.detach()
