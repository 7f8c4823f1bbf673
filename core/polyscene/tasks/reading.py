"""Head, relation and tail read together by the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polyscene.adapters.bank import Routing
from polyscene.backbone.pooling import pool
from polyscene.backbone.suffix import Suffix
from polyscene.errors import ConfigError
from polyscene.tasks.facts import entity_texts, inverse_codes, relation_texts
from polyscene.tasks.task import TaskContext

HEAD, RELATION, TAIL = range(3)
"""The roles in a fact."""


def fact_texts(context: TaskContext) -> list[str]:
    """The texts of all entities, then those of all relations.

    Raises:
        DataError: an entity has no text.
    """
    assert context.tables is not None
    return entity_texts(context.tables, context.where) + relation_texts(context.tables)[0]


class FactReader(nn.Module):
    """One vector of a fact, or of a fact in which one entity is missing.

    With trained layers (``backbone.tune``) it is what they make of the sequence "[CLS] h [SEP] r [SEP] t [SEP]"
    [KG-BERT, Yao et al., arXiv 1909.03193]. The layers below the cut read head, relation and tail each for itself
    [DeFormer, Cao et al., ACL 2020], so that their states are computed once per text and kept; positions count
    from the beginning of each, and a learned vector for its role is added, as BERT's segment vectors are. With
    frozen layers it is the three pooled vectors and their products, so that nothing reads one beside the other: a
    weak form.

    Args:
        context: brings the tables, the backbone and shared modules.

    Attributes:
        width: of the vector.
        inverse_L: bool, which codes of relations are inverse ones, with head and tail exchanged.
    """

    inverse_L: Tensor
    text_L: Tensor
    vector_Mh: Tensor
    state_Sh: Tensor
    start_M: Tensor
    length_M: Tensor

    def __init__(self, context: TaskContext) -> None:
        super().__init__()
        tables, backbone, shared = context.tables, context.backbone, context.shared
        if tables is None or backbone is None or shared is None:
            raise ConfigError("the task needs tables and a backbone", where=context.where, fix="train it in a run")
        texts, hidden = fact_texts(context), backbone.embedding_dim
        self.shared: dict[str, nn.Module] = {}
        self.register_buffer("inverse_L", torch.from_numpy(inverse_codes(tables)), persistent=False)
        relation_L = torch.from_numpy(relation_texts(tables)[1]) + len(tables.items)
        self.register_buffer("text_L", relation_L, persistent=False)
        self.pooling = backbone.config.pooling
        self.is_tuned = backbone.config.tune != "frozen"
        if not self.is_tuned:
            self.register_buffer("vector_Mh", backbone.embed(texts), persistent=False)
            self.width = 6 * hidden
            return
        suffix = shared.get("suffix", backbone.suffix_module)
        assert isinstance(suffix, Suffix)
        self.shared["suffix"] = suffix
        self.scenario = suffix.join(
            context.where.removeprefix("scenario.").partition("-")[0], initial=not context.restored
        )
        state_Sh, start_M, length_M = backbone.token_states(texts).packed()
        for name, rows in (("state_Sh", state_Sh), ("start_M", start_M), ("length_M", length_M)):
            self.register_buffer(name, rows, persistent=False)
        self.longest = [int(part.max()) for part in (length_M[: len(tables.items)], length_M[len(tables.items) :])]
        self.role_3h = nn.Parameter(0.1 * torch.randn(3, hidden))
        self.width = hidden

    def facts(self, known: Tensor, relation: Tensor, answer: Tensor) -> Tensor:
        """Vectors ``[M, width]`` of facts in which ``answer`` completes what is known; all int64 ``[M]``.

        Args:
            known: the entity asked about.
            relation: code of the relation; where it is an inverse one, the known entity is the tail.
            answer: the other entity.
        """
        inverse = self.inverse_L[relation]
        head, tail = torch.where(inverse, answer, known), torch.where(inverse, known, answer)
        role = torch.zeros_like(known)
        return self._read([(head, role + HEAD), (self.text_L[relation], role + RELATION), (tail, role + TAIL)])

    def queries(self, known: Tensor, relation: Tensor) -> Tensor:
        """Vectors ``[M, width]`` of facts whose other entity is missing; arguments as for :meth:`facts`."""
        role = torch.where(self.inverse_L[relation], TAIL, HEAD)
        return self._read([(known, role), (self.text_L[relation], torch.full_like(role, RELATION))])

    def _read(self, parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        return self._sequence(parts) if self.is_tuned else self._products(parts)

    def _products(self, parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        slots = [torch.zeros_like(self.vector_Mh[parts[0][0]]) for _ in range(3)]
        for text, role in parts:
            vector_Mh = self.vector_Mh[text]
            slots = [slot + vector_Mh * (role == place).unsqueeze(1) for place, slot in enumerate(slots)]
        head, relation, tail = slots
        # Pooled vectors have length 1, so their products are small: bring both to one size.
        root = head.shape[1] ** 0.5
        return root * torch.cat(
            [*slots, *(root * pair for pair in (head * relation, relation * tail, head * tail))], 1
        )

    def _sequence(self, parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        states, masks = [], []
        for number, (text, role) in enumerate(parts):
            # Only the first part keeps its [CLS]. Padded to the longest text of all: to ask these rows is a sync.
            skipped = 1 if number else 0
            longest = self.longest[1 if number == RELATION else 0]
            place_L = torch.arange(skipped, max(longest, skipped + 1), device=text.device)
            mask_ML = place_L < self.length_M[text].unsqueeze(1)
            row_ML = (self.start_M[text].unsqueeze(1) + place_L) * mask_ML
            states.append(self.state_Sh[row_ML].to(self.role_3h.dtype) + self.role_3h[role].unsqueeze(1))
            masks.append(mask_ML)
        mask_ML = torch.cat(masks, dim=1)
        routing = Routing.of_segments([(self.scenario, len(mask_ML))], mask_ML.device)
        suffix = self.shared["suffix"]
        assert isinstance(suffix, Suffix)
        state_MLh = suffix.token_states(torch.cat(states, dim=1), mask_ML, routing)
        return pool(state_MLh, mask_ML, self.pooling, normalize=False)
