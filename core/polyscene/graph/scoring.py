"""Scores of triples from structural vectors: how plausible is (head, relation, tail)?"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from polyscene.errors import ConfigError, did_you_mean


class TripleScoring(ABC):
    """A scoring function, split into a query (what the missing entity should look like) and a comparison.

    B triples, N entities, d width; relations have the width of entities. The split makes ranking all N
    candidates one matrix product: ``scores(tail_query(h_Bd, r_Bd), entity_Nd)``. Queries may have further leading
    dimensions.
    """

    @abstractmethod
    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        """What a tail of (head, relation, ?) is compared with, ``[B, d]``."""

    @abstractmethod
    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        """What a head of (?, relation, tail) is compared with, ``[B, d]``."""

    def scores(self, query_Bd: Tensor, entity_Nd: Tensor) -> Tensor:
        """Scores ``[B, N]`` of all entities for each query; higher is more plausible."""
        return query_Bd @ entity_Nd.T

    def paired(self, query_Bd: Tensor, entity_Bd: Tensor) -> Tensor:
        """Scores ``[B]`` of one entity per query."""
        return (query_Bd * entity_Bd).sum(-1)


class DistMult(TripleScoring):
    """``sum_i h_i r_i t_i``: symmetric in head and tail (Yang et al., ICLR 2015, arXiv 1412.6575)."""

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return h_Bd * r_Bd

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        return r_Bd * t_Bd


class ComplEx(TripleScoring):
    """``Re(sum_i h_i r_i conj(t_i))`` over complex numbers (Trouillon et al., ICML 2016, arXiv 1606.06357).

    The first half of a vector holds real parts, the second half imaginary parts, so d must be even. Unlike
    DistMult it tells (h, r, t) from (t, r, h).
    """

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return _complex_product(h_Bd, r_Bd)

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        real, imaginary = r_Bd.chunk(2, dim=-1)
        return _complex_product(torch.cat([real, -imaginary], dim=-1), t_Bd)


class TransE(TripleScoring):
    """``-||h + r - t||_2``: relations are translations (Bordes et al., NeurIPS 2013)."""

    def tail_query(self, h_Bd: Tensor, r_Bd: Tensor) -> Tensor:
        return h_Bd + r_Bd

    def head_query(self, r_Bd: Tensor, t_Bd: Tensor) -> Tensor:
        return t_Bd - r_Bd

    def scores(self, query_Bd: Tensor, entity_Nd: Tensor) -> Tensor:
        return -torch.cdist(query_Bd, entity_Nd)

    def paired(self, query_Bd: Tensor, entity_Bd: Tensor) -> Tensor:
        return -torch.linalg.vector_norm(query_Bd - entity_Bd, dim=-1)


SCORINGS: dict[str, TripleScoring] = {"distmult": DistMult(), "complex": ComplEx(), "transe": TransE()}


def triple_scoring(name: str, d_model: int) -> TripleScoring:
    """The scoring function called ``name`` for vectors of width ``d_model``.

    Raises:
        ConfigError: there is no such function, or it cannot work with this width.
    """
    if name not in SCORINGS:
        raise ConfigError(f"there is no triple scoring called '{name}'", fix=did_you_mean(name, SCORINGS))
    if name == "complex" and d_model % 2:
        raise ConfigError(
            f"triple scoring 'complex' needs an even width and model.d_model is {d_model}",
            fix="choose an even model.d_model, or scoring distmult",
        )
    return SCORINGS[name]


def _complex_product(a_Bd: Tensor, b_Bd: Tensor) -> Tensor:
    a_real, a_imaginary = a_Bd.chunk(2, dim=-1)
    b_real, b_imaginary = b_Bd.chunk(2, dim=-1)
    return torch.cat(
        [a_real * b_real - a_imaginary * b_imaginary, a_real * b_imaginary + a_imaginary * b_real], dim=-1
    )
